import { readFlagFile } from './flag-values.ts'
import { usageError } from './usage-error.ts'

/**
 * Reads `Name: value`, or `@FILE` with one such in each line, as curl does. Throws a usage error, which has no value in
 * it: values may be secret.
 */
export async function readHeaders(
  given: readonly string[],
  flag: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  if (given.length === 0) return undefined
  const { checkedHeaders } = await import('../targets/remote/transport/custom-headers.ts')
  const lines = await Promise.all(
    given.map(async (text) => (text.startsWith('@') ? linesOf(text.slice(1), flag) : [text])),
  )
  const headers = lines.flat().map((line) => parseHeader(line, flag))
  const names = headers.map(([name]) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw usageError(`${flag} has ${twice} twice: give it once`)
  try {
    return checkedHeaders(Object.fromEntries(headers))
  } catch (error) {
    throw error instanceof RangeError ? usageError(`${flag}: ${error.message}`) : error
  }
}

/** True for a header on the command line whose value others should not see. */
export function showsSecret(text: string): boolean {
  const [name = ''] = text.split(':', 1)
  return !text.startsWith('@') && /auth|cookie|key|pass|secret|token/i.test(name)
}

async function linesOf(file: string, flag: string): Promise<readonly string[]> {
  const text = (await readFlagFile(file, flag)) ?? ''
  return text.split(/\r?\n/).filter((line) => line.trim() !== '')
}

function parseHeader(text: string, flag: string): readonly [name: string, value: string] {
  const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e]*)$/.exec(text) ?? []
  if (name !== undefined && value !== undefined) return [name, value.trimEnd()]
  throw usageError(`${flag} is no header: write 'Name: value' in ASCII, or @FILE with one in each line`)
}
