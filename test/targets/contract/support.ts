import { expect } from 'vitest'
import type { Content } from '../../../src/content/content.ts'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { errorCode } from '../../../src/errors.ts'
import type { Target, TagsOptions } from '../../../src/targets/target.ts'
import { graph, type TestGraph } from '../../support/graph.ts'

/**
 * What a foreign registry may refuse. For each of these that is declared, the suite asserts the refusal; what is not
 * declared must work. `containers`: a registry knows referrers, but not which index contains a manifest.
 * `free-tags`: a tag must follow the grammar of the distribution-spec. `tags-of-deleted`: the tags of a deleted manifest
 * stay. `artifact-types`: referrers are listed with the media type of their config as artifact type.
 */
export type Lack =
  | 'tag-blobs'
  | 'own-types'
  | 'artifact-manifests'
  | 'sha384'
  | 'sha512'
  | 'untag'
  | 'delete-manifests'
  | 'delete-blobs'
  | 'tags-of-deleted'
  | 'artifact-types'
  | 'containers'
  | 'free-tags'
  | 'fetch-reference'
  | 'push-reference'

/** Everything that a target lacks. */
export type Lacks = readonly Lack[]

/** What the parts of the contract are given. */
export interface Suite {
  target(): Target
  lacks(lack: Lack): boolean
}

/** image: m1 of config and layer */
export function image(): TestGraph {
  return graph({ m1: ['config', 'layer'] })
}

/** Content that is in no target. */
export const unknown: Descriptor = blob(Buffer.from('never pushed'))

/** The descriptor of some bytes that are no manifest. */
export function blob(bytes: Uint8Array): Descriptor {
  return { mediaType: mediaTypes.octetStream, digest: digestOf(bytes), size: bytes.length }
}

/** Fails when it is read, so that a push which resolves has not read it. */
export function unreadable(): Content {
  return contentOfChunks([], new Error('this content must not be read'))
}

/** Content in these chunks, which fails at its end if a failure is given. */
export function contentOfChunks(chunks: readonly Uint8Array[], failure?: Error): Content {
  return {
    async *[Symbol.asyncIterator]() {
      yield* chunks
      if (failure !== undefined) throw failure
    },
  }
}

/** All bytes of some content. */
export async function read(content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(content))
}

/** All tags, in the order in which they come. */
export function tagsOf(target: Target, options: TagsOptions = {}): Promise<string[]> {
  return Array.fromAsync(target.tags?.(options) ?? [])
}

/** All referrers, in the order in which they come. */
export function referrersOf(
  target: Target,
  descriptor: Descriptor,
  artifactType?: string,
): Promise<Descriptor[]> {
  return Array.fromAsync(target.referrers?.(descriptor, { artifactType }) ?? [])
}

/** All predecessors as `edge digest`, sorted. */
export async function edgesOf(target: Target, descriptor: Descriptor): Promise<string[]> {
  const edges = await Array.fromAsync(target.predecessors?.(descriptor) ?? [])
  return edges.map(({ edge, descriptor: { digest } }) => `${edge} ${digest}`).sort()
}

/** What a promise rejects with; a promise that resolves, or none at all, is a failure of the test. */
export async function rejection(promise: Promise<unknown> | undefined): Promise<unknown> {
  if (promise === undefined) throw new Error('the target has no such method')
  return promise.then(
    () => {
      throw new Error('resolved, but a rejection was expected')
    },
    (error: unknown) => error,
  )
}

/** Expects a target to say that it cannot do this. */
export async function expectRefusal(promise: Promise<unknown> | undefined): Promise<void> {
  expect(['UNSUPPORTED', 'RESPONSE']).toContain(errorCode(await rejection(promise)))
}

/** An error and its causes. */
export function causes(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let at = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) chain.push(at)
  return chain
}
