import { rm } from 'node:fs/promises'
import type { Place } from './contestants.ts'
import { checkLayout, checkRegistry } from './exchange.ts'
import type { StoredImage } from './image.ts'
import { startRegistry } from './registry.ts'

/** One end of a copy, and what the harness needs to know of it. */
export interface End extends AsyncDisposable {
  readonly place: Place
  /** How many requests it has had; a layout has none. */
  requests(): Promise<number>
  /** Throws unless the image is there as it should be. */
  check(image: StoredImage): Promise<void>
  /** Removes it and all it holds; again is harmless. */
  close(): Promise<void>
}

/** An empty layout or registry under a folder that does not exist yet. */
export async function openEnd(kind: Place['kind'], directory: string, signal: AbortSignal): Promise<End> {
  return kind === 'layout' ? layoutEnd(directory) : registryEnd(directory, signal)
}

/** The layout in a folder, which a contestant may yet have to make. */
export function layoutEnd(directory: string): End {
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true })
  return {
    place: { kind: 'layout', directory },
    requests: async () => 0,
    check: (image) => checkLayout(directory, image),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function registryEnd(directory: string, signal: AbortSignal): Promise<End> {
  const registry = await startRegistry(directory, signal)
  const { host } = registry
  return {
    place: { kind: 'registry', host },
    requests: () => registry.requests(),
    check: (image) => checkRegistry(host, image, signal),
    close: () => registry.close(),
    [Symbol.asyncDispose]: () => registry.close(),
  }
}
