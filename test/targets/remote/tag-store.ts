import type { Descriptor } from '../../../src/content/descriptor.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { Answer, Handler } from './server.ts'

/** Answers with an image index of these manifests. */
export function index(manifests: readonly unknown[], headers: Record<string, string> = {}): Answer {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests })
  return { status: 200, headers: { 'content-type': mediaTypes.ociIndex, ...headers }, body }
}

/** A registry of one repository, which keeps no lists of referrers. */
export interface TagStore {
  readonly handler: Handler
  readonly manifests: Map<string, { type: string; body: Buffer }>
  /** The list under the tag; undefined where there is none. */
  tagged(): readonly Descriptor[] | undefined
}

/** `tag` is that of the list of a subject; `deletes` the answer to DELETE. */
export function tagStore(tag: string, deletes = 202): TagStore {
  const manifests = new Map<string, { type: string; body: Buffer }>()
  const handler: Handler = ({ method, url, headers, body }) => {
    const reference = url.split('/manifests/')[1] ?? ''
    const found = manifests.get(reference)
    if (method === 'PUT') {
      const entry = { type: headers['content-type'] ?? '', body }
      manifests.set(reference, entry).set(digestOf(body), entry)
      return { status: 201 }
    }
    if (!url.includes('/manifests/') || found === undefined) return { status: 404 }
    if (method !== 'DELETE') return { status: 200, headers: { 'content-type': found.type }, body: found.body }
    if (deletes === 202) for (const [name, entry] of manifests) if (entry === found) manifests.delete(name)
    return { status: deletes }
  }
  const tagged = (): readonly Descriptor[] | undefined => {
    const entry = manifests.get(tag)
    if (entry === undefined) return undefined
    return (JSON.parse(entry.body.toString()) as { manifests: Descriptor[] }).manifests
  }
  return { handler, manifests, tagged }
}
