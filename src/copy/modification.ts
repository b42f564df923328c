import type { Content } from '../content/content.ts'
import { nodeKey, plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { digestOf, parseDigest } from '../content/digest.ts'
import { standardManifestTypes, successorsOf } from '../content/manifest-types.ts'
import { stoppable, tap, verify } from '../content/verify.ts'
import { CopyError, UnsupportedError } from '../errors.ts'
import type { Source } from '../targets/target.ts'
import { memoryKey, recall, remember } from './blob-memory.ts'
import { formatDocument, mapDocument, parseDocument, type Mapping } from './document.ts'
import { failure, step } from './failure.ts'
import { ingest, type Ingested } from './ingest.ts'
import type { BlobNode, JsonObject, ManifestNode, Modifier } from './modifiers/modifier.ts'
import type { Disposition } from './options.ts'
import { pathTo, type ReachedNode } from './reached-node.ts'
import { leaveOut } from './successors.ts'
import type { Workshop } from './transfer.ts'

/** Applies the modifiers of one copy to its nodes, each once. */
export class Modification {
  readonly #workshop: Workshop
  readonly #modifiers: readonly Modifier[]
  readonly #blobs = new Map<string, Promise<Descriptor | undefined>>()
  /** What modifiers have brought to the destination, or had brought there before, by its key. */
  readonly #stored = new Map<string, 'copied' | 'existed'>()
  readonly #dispositions = new Map<string, Promise<Disposition>>()
  /** What blobs have become, by the manifest at which they were met, until that is made: modifiers may refuse it then. */
  readonly #unconfirmed = new Map<string, (() => Promise<void>)[]>()
  #requested: string | undefined

  constructor(workshop: Workshop, modifiers: readonly Modifier[]) {
    if (workshop.options.spoolFolder === '') {
      throw new RangeError('spoolFolder is empty, expected the path of a folder')
    }
    this.#workshop = workshop
    this.#modifiers = modifiers
  }

  /** Names the node that the copy was asked for. */
  request(node: Descriptor): void {
    this.#requested = nodeKey(node)
  }

  isRequested(node: Descriptor): boolean {
    return this.#requested === nodeKey(node)
  }

  /** Decided once for each key. */
  dispositionOf(key: string, decide: () => Promise<Disposition>): Promise<Disposition> {
    const known = this.#dispositions.get(key) ?? decide()
    this.#dispositions.set(key, known)
    return known
  }

  /** For content that a modifier has brought to the destination, now or in another run. */
  storedAs(descriptor: Descriptor): 'copied' | 'existed' | undefined {
    return this.#stored.get(nodeKey(descriptor))
  }

  /** What a blob has become; undefined if it was removed. An artifact may name by the same descriptor what is no layer to it. */
  blob(node: ReachedNode, isOfArtifact: boolean): Promise<Descriptor | undefined> {
    const key = `${nodeKey(node.descriptor)}${isOfArtifact ? ' of an artifact' : ''}`
    const known =
      this.#blobs.get(key) ?? this.#workshop.lanes.during(() => this.#modifyBlob(node, isOfArtifact))
    this.#blobs.set(key, known)
    return known
  }

  /** What a manifest has become, now that its successors have; undefined if it was removed. */
  async manifest(node: ReachedNode, bytes: Uint8Array, mapping: Mapping): Promise<Descriptor | undefined> {
    const before = parseDocument(bytes)
    let document = mapDocument(before, mapping)
    this.#expectMapped(node, document, mapping)
    let { mediaType } = node.descriptor
    const isSame = (): boolean => mediaType === node.descriptor.mediaType && isSameDocument(document, before)
    for (const modifier of this.#modifiers) {
      const given = this.#manifestNode(node, { document, mediaType, isChanged: () => !isSame() })
      const change = await this.#apply(modifier, node, given)
      if (change === 'keep') continue
      if (change === 'remove') return undefined
      if (!('document' in change)) throw misuse(modifier, node, 'content for a manifest')
      document = change.document
      mediaType = change.mediaType ?? mediaType
    }
    return isSame() ? node.descriptor : this.#finish(node, document, mediaType)
  }

  /** A manifest type of the caller's own may name its successors in fields that nobody knows here. */
  #expectMapped(node: ReachedNode, document: JsonObject, mapping: Mapping): void {
    const { descriptor } = node
    if (standardManifestTypes.isManifest(descriptor.mediaType)) return
    const changed = [...mapping].filter(([key, to]) => to === undefined || nodeKey(to) !== key)
    if (changed.length === 0) return
    const facts = this.#workshop.source.parse(descriptor, formatDocument(document))
    const named = new Set(successorsOf(facts).map((successor) => nodeKey(successor.descriptor)))
    if (!changed.some(([key]) => named.has(key))) return
    const reason = `it cannot follow what has changed below it: how ${descriptor.mediaType} names its successors is not known`
    throw failure('caller', 'modifiers', node, new UnsupportedError(reason))
  }

  async #modifyBlob(node: ReachedNode, isOfArtifact: boolean): Promise<Descriptor | undefined> {
    const { descriptor, edge } = node
    const key = memoryKey(descriptor, this.#modifiers, isOfArtifact)
    const remembered = await recall(node, key, this.#workshop)
    if (remembered !== undefined) return this.#tellStored(node, remembered, 'existed')
    const original = this.#fetch(node, descriptor)
    let content = original
    let { mediaType } = descriptor
    for (const modifier of this.#modifiers) {
      const at = { ...descriptor, mediaType }
      const path = pathTo(node)
      const blob: BlobNode = { kind: 'blob', descriptor: at, edge, path, content, isOfArtifact }
      const change = await this.#apply(modifier, node, blob)
      if (change === 'keep') continue
      if (change === 'remove') return this.#removed(node)
      if (!('content' in change)) throw misuse(modifier, node, 'a document for a blob')
      if (this.#workshop.source.manifestTypes.isManifest(change.mediaType)) {
        throw misuse(modifier, node, `${change.mediaType}, a manifest, for a blob`)
      }
      content = change.content
      mediaType = change.mediaType
    }
    if (content === original) return plainDescriptor({ ...descriptor, mediaType })
    const { descriptor: result, outcome } = await this.#ingest(node, content, mediaType)
    const confirm = (): Promise<void> => remember(node, key, result, this.#workshop)
    if (node.parent === undefined) await confirm()
    else this.#awaitConfirmation(node.parent, confirm)
    return this.#tellStored(node, result, outcome)
  }

  #awaitConfirmation({ descriptor }: ReachedNode, confirm: () => Promise<void>): void {
    const key = nodeKey(descriptor)
    const waiting = this.#unconfirmed.get(key)
    if (waiting === undefined) this.#unconfirmed.set(key, [confirm])
    else waiting.push(confirm)
  }

  /** No modifier has refused a manifest, or none will be asked: what the blobs below it have become is remembered. */
  async confirm({ descriptor }: ReachedNode): Promise<void> {
    const key = nodeKey(descriptor)
    const waiting = this.#unconfirmed.get(key) ?? []
    this.#unconfirmed.delete(key)
    await Promise.all(waiting.map((confirm) => confirm()))
  }

  /** Of a root, the fold tells. */
  #tellStored(
    { descriptor, parent }: ReachedNode,
    result: Descriptor,
    outcome: 'copied' | 'existed',
  ): Descriptor {
    this.#stored.set(nodeKey(result), outcome)
    if (parent === undefined) return result
    const { ledger } = this.#workshop
    ledger.tell({ type: 'discovered', descriptor, parent: parent.descriptor })
    if (outcome === 'copied') ledger.tell({ type: 'copied', descriptor, result })
    else ledger.tell({ type: 'skipped', descriptor, result, reason: 'exists' })
    return result
  }

  #removed({ parent, descriptor }: ReachedNode): undefined {
    if (parent !== undefined) leaveOut(parent, descriptor, 'modifier', this.#workshop)
    return undefined
  }

  #apply(
    modifier: Modifier,
    node: ReachedNode,
    given: ManifestNode | BlobNode,
  ): Promise<Awaited<ReturnType<Modifier['apply']>>> {
    this.#workshop.signal.throwIfAborted()
    return step('caller', `modifier ${modifier.id}`, node, () => modifier.apply(given))
  }

  #manifestNode(node: ReachedNode, { document, mediaType, isChanged }: Manifest): ManifestNode {
    const { source, lanes, signal } = this.#workshop
    return {
      kind: 'manifest',
      descriptor: node.descriptor,
      edge: node.edge,
      path: pathTo(node),
      isRequested: this.isRequested(node.descriptor),
      mediaType,
      document: structuredClone(document),
      get isChanged() {
        return isChanged()
      },
      read: (descriptor) => lanes.askWithin(() => source.read(descriptor)),
      fetch: (descriptor) => this.#fetch(node, descriptor),
      make: (bytes, type) => this.#make(node, bytes, type),
      ingest: async (content, type) => (await this.#ingest(node, content, type)).descriptor,
      bring: (descriptor, from) => this.#bring(node, descriptor, from),
      signal,
    }
  }

  /** With the algorithm of the node's own digest. */
  #make(node: ReachedNode, bytes: Uint8Array, mediaType: string): Descriptor {
    const { algorithm } = parseDigest(node.descriptor.digest)
    const descriptor = { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length }
    this.#workshop.source.keep(descriptor, bytes)
    return descriptor
  }

  #fetch(node: ReachedNode, descriptor: Descriptor): Content {
    const { source } = this.#workshop
    const content = stoppable((signal) => verify(source.fetch(descriptor, { signal }), descriptor))
    return blaming('source', 'fetch', node, content)
  }

  async #ingest(node: ReachedNode, content: Content, mediaType: string): Promise<Ingested> {
    const watched = this.#watched(node, blaming('caller', 'the content of a modifier', node, content))
    const ingested = await ingest(node, watched, mediaType, this.#workshop)
    this.#stored.set(nodeKey(ingested.descriptor), ingested.outcome)
    return ingested
  }

  async #bring(node: ReachedNode, descriptor: Descriptor, source: Source): Promise<void> {
    const { lanes, destination, atDestination, signal } = this.#workshop
    const content = stoppable((reading) => {
      const signals = reading === undefined ? [signal] : [signal, reading]
      return verify(source.fetch(descriptor, { signal: AbortSignal.any(signals) }), descriptor)
    })
    const watched = this.#watched(node, blaming('caller', 'a source of a modifier', node, content))
    const outcome = await step('destination', 'push what belongs to', node, () =>
      lanes.transfer(descriptor, () => destination.push(descriptor, watched, { ...atDestination, source })),
    )
    this.#stored.set(nodeKey(descriptor), outcome === 'existed' ? 'existed' : 'copied')
  }

  #watched({ descriptor }: ReachedNode, content: Content): Content {
    const { ledger } = this.#workshop
    return tap(content, (chunk) => ledger.tell({ type: 'progress', descriptor, bytes: chunk.length }))
  }

  /** Bytes that no reader would take are refused before anything is sent. */
  #finish(node: ReachedNode, document: JsonObject, mediaType: string): Descriptor {
    const { source } = this.#workshop
    try {
      const bytes = formatDocument(document)
      const descriptor = this.#make(node, bytes, mediaType)
      source.parse(descriptor, bytes)
      return descriptor
    } catch (error) {
      throw failure('caller', 'modifiers', node, error)
    }
  }
}

/** A manifest between two modifiers. */
interface Manifest {
  readonly document: JsonObject
  readonly mediaType: string
  readonly isChanged: () => boolean
}

/** Reading it fails as the failure of whose content it is, not of who takes it; the innermost is right. */
function blaming(
  origin: CopyError['origin'],
  operation: string,
  node: ReachedNode,
  content: Content,
): Content {
  const blame = (error: unknown): never => {
    throw error instanceof CopyError ? error : failure(origin, operation, node, error)
  }
  return tap(content, () => undefined, blame)
}

function isSameDocument(a: JsonObject, b: JsonObject): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function misuse({ id }: Modifier, node: ReachedNode, what: string): Error {
  return failure('caller', `modifier ${id}`, node, new TypeError(`it returned ${what}`))
}
