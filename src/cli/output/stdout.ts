import { stdout } from 'node:process'

/**
 * Writes data, and resolves when it is out of the process: false if nobody reads it any more. Another failure, such
 * as a full disk behind a redirection, rejects.
 */
export function writeData(text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve(true)
      else if ('code' in error && error.code === 'EPIPE') resolve(false)
      else reject(error)
    })
  })
}

/** JSON for people and programs: what could steer a terminal is escaped, as JSON allows. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2).replace(unsafe, escapeUnits)}\n`
}

/** The same in one line. */
export function formatJsonLine(value: unknown): string {
  return `${JSON.stringify(value).replace(unsafe, escapeUnits)}\n`
}

/** As in `printable`, but for the line ends that the indentation makes. */
const unsafe: RegExp = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
