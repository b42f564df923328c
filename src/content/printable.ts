/**
 * Text from outside, made safe to print: control characters, which could steer a terminal, and characters that turn
 * the direction of text around or cannot be seen are shown as escapes.
 */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** The same for text of several lines, which stay apart. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** The text of a JSON document, made safe to print by the escapes that JSON has; its lines stay apart. */
export function printableJson(json: string): string {
  return json.replace(unsafeInJson, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** Controls (C0, DEL, C1), invisible format characters such as those of direction, line and paragraph separators, lone surrogates. */
const unsafe: RegExp = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The same, but for the line ends that the indentation makes; JSON.stringify has escaped lone surrogates. */
const unsafeInJson: RegExp = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
