import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'

//  signature ─subject─► sbom ─subject─► index ──► m1 ──► c1, shared
//                                         └─────► m2 ──► c2, shared
/** An index of two images with an SBOM and its signature; text of the signature would steer a terminal. */
export const drawing: TestGraph = graph({
  index: ['m1', 'm2'],
  m1: { children: ['c1', 'shared'], platform: { os: 'linux', architecture: 'amd64' } },
  m2: { children: ['c2', 'shared'], platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  sbom: { children: ['empty', 'spdx'], subject: 'index', artifactType: 'application/spdx+json' },
  signature: {
    children: ['empty', 'sig'],
    subject: 'sbom',
    artifactType: 'application/vnd.example.\u001b[31msig',
  },
})

/** A target with all nodes of the drawing, or those named. */
export async function filled(names: readonly string[] = drawing.names): Promise<MemoryTarget> {
  const target = new MemoryTarget({ manifestTypes: ownTypes })
  await drawing.pushTo(target, names)
  return target
}

/** The name of a node in the drawing. */
export function nameOf(digest: string): string {
  return drawing.names.find((name) => drawing.descriptor(name).digest === digest) ?? '?'
}
