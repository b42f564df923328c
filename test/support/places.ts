import { memoryStore } from '../../src/server/store.ts'
import { serve } from '../../src/server/serve.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Target } from '../../src/targets/target.ts'
import { newFolder } from './folder.ts'
import { ownTypes } from './graph.ts'

/** A target of a test, empty, that goes away with `close`. */
export interface Place {
  readonly target: Target
  close(): Promise<void>
}

export type PlaceKind = 'memory' | 'layout' | 'registry'

export const placeKinds: readonly PlaceKind[] = ['memory', 'layout', 'registry']

export async function makePlace(kind: PlaceKind): Promise<Place> {
  switch (kind) {
    case 'memory':
      return { target: new MemoryTarget({ manifestTypes: ownTypes }), close: () => Promise.resolve() }
    case 'layout':
      return makeLayout()
    case 'registry':
      return makeRegistry()
    default:
      return kind satisfies never
  }
}

async function makeLayout(): Promise<Place> {
  const folder = await newFolder()
  return {
    target: new OciLayout(folder.path, { manifestTypes: ownTypes }),
    close: () => folder.remove(),
  }
}

async function makeRegistry(): Promise<Place> {
  const registry = await serve(memoryStore({ manifestTypes: ownTypes }))
  const repository = new Repository(`${registry.host}:${registry.port}/test/content`, {
    manifestTypes: ownTypes,
  })
  return {
    target: repository,
    async close() {
      await repository.close()
      await registry.close()
    },
  }
}
