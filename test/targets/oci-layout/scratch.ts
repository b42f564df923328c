import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** What a test reads of an index.json. */
export interface IndexDocument {
  readonly manifests: readonly { readonly digest: string; readonly annotations?: Record<string, string> }[]
}

/** A folder that is removed when the test ends. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'copygraph-layout-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

/** The paths of all files under a folder, sorted. */
export async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1)).sort()
}

export async function readIndex(directory: string): Promise<IndexDocument> {
  return JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as IndexDocument
}

/** The entries of index.json as `tag digest`, or the digest alone. */
export async function listedIn(directory: string): Promise<string[]> {
  const { manifests } = await readIndex(directory)
  return manifests.map(({ digest, annotations }) => {
    const tag = annotations?.['org.opencontainers.image.ref.name']
    return tag === undefined ? digest : `${tag} ${digest}`
  })
}

/** Writes the two files of a layout by hand. */
export async function writeLayout(directory: string, index: unknown): Promise<void> {
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(directory, 'index.json'), typeof index === 'string' ? index : JSON.stringify(index))
}

/** Where a layout keeps a blob. */
export function blobFile(directory: string, digest: string): string {
  return join(directory, 'blobs', ...digest.split(':'))
}

/** The id of a process that has ended. */
export async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return child.pid ?? 0
}
