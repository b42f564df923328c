import { readFile } from 'node:fs/promises'

const root = new URL('../../', import.meta.url)

/** The blocks of TypeScript in a document. */
export async function blocksIn(document: string): Promise<readonly string[]> {
  const text = await readFile(new URL(document, root), 'utf8')
  return [...text.matchAll(/^```ts\n([^]*?)\n```$/gm)].map(([, block = '']) => block)
}

/** The functions of a file of examples, each with the comment above it. */
export async function examplesIn(file: string): Promise<readonly string[]> {
  const text = await readFile(new URL(file, root), 'utf8')
  const [, ...examples] = text.split(/^(?=\/\*\*)/m)
  return examples.map((example) => example.trim())
}
