import { sameNode, type Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import { NotFoundError } from '../../errors.ts'
import { insert, plainEntry, renamed, without, type Entry, type IndexJson } from './index-json.ts'

/** What is to become of index.json. Which untagged manifests it lists follows from the graph, and is decided afterwards. */
export interface Change {
  readonly index: IndexJson
  /** Must be listed unless something that is listed contains them. */
  readonly uncovered?: readonly Entry[] | undefined
  /** Now covers what it contains, directly or not. */
  readonly covering?: Digest | undefined
  /** Covers nothing any more. */
  readonly removed?: Digest | undefined
  /** Must not be listed unless it is there again. */
  readonly deleted?: Digest | undefined
}

/** A change as a function of the newest index.json, so that it can be made again if another process was faster. */
export type Mutation = (index: IndexJson) => Change

/** A manifest has come; `covers` says that it contains others. */
export function addManifest(manifest: Descriptor, covers: boolean): Mutation {
  const covering = covers ? manifest.digest : undefined
  return (index) => ({ index, uncovered: [plainEntry(manifest)], covering })
}

/** The bytes of a manifest are gone, which contained `manifests`. */
export function forgetDeleted(digest: Digest, manifests: readonly Descriptor[]): Mutation {
  return (index) => ({ index, uncovered: manifests.map(plainEntry), deleted: digest })
}

/** A manifest has come with its tag. */
export function addTaggedManifest(manifest: Descriptor, covers: boolean, tag: string): Mutation {
  const covering = covers ? manifest.digest : undefined
  return (index) => ({ ...setTag(manifest, tag)(index), covering })
}

/** Points a tag at a node. The entry keeps what a foreign tool wrote into it, as long as it names the same node. */
export function setTag(node: Descriptor, tag: string): Mutation {
  return (index) => {
    const tagged = index.entries.filter(({ name }) => name === tag)
    const last = tagged.at(-1)
    const kept = last !== undefined && isEntryOf(last, node) ? last : undefined
    const others = tagged.filter((entry) => entry !== kept)
    const cleared = without(index, (entry) => others.includes(entry))
    const uncovered = others.filter((entry) => !isEntryOf(entry, node)).map(untagged)
    if (kept !== undefined) return { index: cleared, uncovered }
    const unnamed = cleared.entries.find((entry) => entry.name === undefined && isEntryOf(entry, node))
    const entry = renamed(unnamed ?? plainEntry(node), tag)
    return {
      index: insert(
        without(cleared, (other) => other === unnamed),
        entry,
      ),
      uncovered,
    }
  }
}

/** Removes a tag. The mutation fails with NOT_FOUND if there is no such tag. */
export function removeTag(tag: string, directory: string): Mutation {
  return (index) => {
    const tagged = index.entries.filter(({ name }) => name === tag)
    if (tagged.length === 0) throw new NotFoundError(`no tag ${JSON.stringify(tag)} in ${directory}`)
    return { index: without(index, (entry) => tagged.includes(entry)), uncovered: tagged.map(untagged) }
  }
}

/** Removes every entry of a node, which contained `manifests`. */
export function removeNode(digest: Digest, manifests: readonly Descriptor[]): Mutation {
  return (index) => ({
    index: without(index, ({ descriptor }) => descriptor?.digest === digest),
    uncovered: manifests.map(plainEntry),
    removed: digest,
  })
}

function isEntryOf({ descriptor }: Entry, node: Descriptor): boolean {
  return descriptor !== undefined && sameNode(descriptor, node)
}

function untagged(entry: Entry): Entry {
  return renamed(entry, undefined)
}
