import { join } from 'node:path'
import { z } from 'zod'
import { contentOf } from '../../content/content.ts'
import { parseStrictJson } from '../../content/strict-json.ts'
import { InvalidLayoutError, OciError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isFileError, readSmallFile } from '../read-file.ts'
import type { LayoutFileSystem } from './file-system.ts'
import type { Ingest } from './ingest.ts'

/** The path of the file that makes a folder an image layout (image-spec, "oci-layout file"). */
function layoutFilePath(directory: string): string {
  return join(directory, 'oci-layout')
}

/** Whether the folder has an `oci-layout` file. Error: INVALID_LAYOUT for one that is damaged, or of another version. */
export async function hasLayoutFile(directory: string, fs: LayoutFileSystem): Promise<boolean> {
  const path = layoutFilePath(directory)
  const bytes = await read(path, fs)
  if (bytes === undefined) return false
  if (!schema.safeParse(parse(bytes, path)).success) {
    throw new InvalidLayoutError(`${path} does not say that this is an image layout of version 1`)
  }
  return true
}

/** Writes an `oci-layout` file. */
export async function writeLayoutFile(
  directory: string,
  { fs, ingest }: { readonly fs: LayoutFileSystem; readonly ingest: Ingest },
  { signal }: SignalOptions,
): Promise<void> {
  const content = contentOf(Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
  await ingest.write(content, (temporary) => fs.rename(temporary, layoutFilePath(directory)), { signal })
}

const maxBytes = 64 * 1024

const schema = z.looseObject({ imageLayoutVersion: z.string().regex(/^1\./) })

function parse(bytes: Uint8Array, path: string): unknown {
  try {
    return parseStrictJson(bytes, { maxBytes })
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    throw new InvalidLayoutError(`${path} cannot be read: ${error.message}`, { cause: error.cause })
  }
}

async function read(path: string, fs: LayoutFileSystem): Promise<Uint8Array | undefined> {
  try {
    const bytes = await readSmallFile(path, maxBytes, { fs })
    if (bytes === undefined) throw new InvalidLayoutError(`${path} is a link, or no file at all`)
    return bytes
  } catch (error) {
    if (isFileError(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}
