/** What a text says in JSON; undefined for what is none. The parser's own message quotes the text, where a secret may stand. */
export function tryParseJson(text: string, reviver?: Reviver): unknown {
  try {
    return JSON.parse(text, reviver)
  } catch {
    return undefined
  }
}

/** As `JSON.parse` has it: `source` is the text of a value that is no object and no array. */
export type Reviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown
