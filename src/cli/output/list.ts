import { printable } from '../../content/printable.ts'
import { formatJson, writeData } from './stdout.ts'

/** Prints names as they come, one a line, until nobody reads them any more; or all of them as one JSON document. */
export async function writeNames(
  names: AsyncIterable<string>,
  key: 'tags' | 'repositories',
  format: 'text' | 'json',
): Promise<void> {
  if (format === 'json') {
    await writeData(formatJson({ [key]: await Array.fromAsync(names) }))
    return
  }
  for await (const name of names) {
    const isRead = await writeData(`${printable(name)}\n`)
    if (!isRead) return
  }
}
