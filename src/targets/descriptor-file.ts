import { hash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { contentOf } from '../content/content.ts'
import { plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { parseDescriptor } from '../content/manifest.ts'
import { parseStrictJson } from '../content/strict-json.ts'
import { OciError } from '../errors.ts'
import { privateFiles } from './private-files.ts'
import { isFileError, readSmallFile } from './read-file.ts'
import { writeFile } from './write-file.ts'

/**
 * The descriptor that a folder has under a key: media type, digest and size. Undefined if there is none, and for a file that
 * is broken, too large, or no regular file. Errors: those of the file system.
 */
export async function readDescriptorFile(directory: string, key: string): Promise<Descriptor | undefined> {
  try {
    const bytes = await readSmallFile(pathOf(directory, key), maxBytes, { fs: privateFiles })
    return bytes && plainDescriptor(parseDescriptor(parseStrictJson(bytes)))
  } catch (error) {
    if (error instanceof OciError || isFileError(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Puts a descriptor under a key, whole or not at all; missing folders are made. Errors: those of the file system. */
export async function writeDescriptorFile(
  directory: string,
  key: string,
  descriptor: Descriptor,
): Promise<void> {
  const path = pathOf(directory, key)
  const temporary = `${path}.${randomUUID()}.tmp`
  const content = contentOf(Buffer.from(JSON.stringify(plainDescriptor(descriptor))))
  await writeFile(temporary, content, () => privateFiles.rename(temporary, path), { fs: privateFiles })
}

const maxBytes = 16 * 1024

/** No key is part of a path. */
function pathOf(directory: string, key: string): string {
  return join(directory, hash('sha256', key))
}
