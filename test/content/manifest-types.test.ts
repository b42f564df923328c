import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import {
  declareManifestTypes,
  referrerDescriptor,
  standardManifestTypes,
  successorsOf,
  type ManifestType,
  type ManifestTypes,
} from '../../src/content/manifest-types.ts'
import type { ManifestFacts } from '../../src/content/manifest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { InvalidManifestError, SizeExceedsLimitError, UnsupportedError } from '../../src/errors.ts'
import { bundleMediaType, graph, ownTypes } from '../support/graph.ts'

const child: Descriptor = { mediaType: 'a/b', digest: digestOf(Buffer.from('child')), size: 5 }

function ownType(read: ManifestType['read']): ManifestTypes {
  return declareManifestTypes({ mediaType: 'own/type', read })
}

function readOwn(types: ManifestTypes): ManifestFacts {
  return types.read(
    { mediaType: 'own/type', digest: digestOf(Buffer.from('{}')), size: 2 },
    Buffer.from('{}'),
  )
}

describe('the standard manifest types', () => {
  it('are five; everything else is a blob', () => {
    const { ociManifest, ociIndex, ociArtifact, dockerManifest, dockerList } = mediaTypes
    const five = [ociManifest, ociIndex, dockerManifest, dockerList, ociArtifact]
    expect(standardManifestTypes.mediaTypes).toEqual(five)
    for (const mediaType of Object.values(mediaTypes)) {
      expect(standardManifestTypes.isManifest(mediaType)).toBe(
        five.some((manifest) => manifest === mediaType),
      )
    }
    expect(standardManifestTypes.isManifest('application/vnd.docker.distribution.manifest.v1+json')).toBe(
      false,
    )
    expect(standardManifestTypes.isManifest('constructor')).toBe(false)
  })

  it('do not read a blob', () => {
    expect(() => standardManifestTypes.read(child, Buffer.from('{}'))).toThrow(TypeError)
  })
})

describe('the successors of a manifest', () => {
  // a signature about an image of two layers
  const nodes = graph({
    signature: { children: ['c', 'x', 'y', 'x'], subject: 'image' },
    index: { kind: 'index', children: ['image', 'other'], subject: 'image' },
    artifact: { kind: 'artifact', children: ['x', 'y'], subject: 'image' },
    bundle: { kind: 'bundle', children: ['image', 'x'] },
    image: ['c', 'x'],
    other: ['c', 'y'],
  })
  const successors = (name: string): unknown => {
    const { descriptor, bytes } = nodes.node(name)
    return successorsOf(ownTypes.read(descriptor, bytes)).map(({ descriptor: { digest }, edge }) => [
      edge,
      digest,
    ])
  }
  const digest = (name: string): string => nodes.descriptor(name).digest

  it('are its subject, its config and its layers in their order, twice where they stand twice', () => {
    expect(successors('signature')).toEqual([
      ['subject', digest('image')],
      ['contains', digest('c')],
      ['contains', digest('x')],
      ['contains', digest('y')],
      ['contains', digest('x')],
    ])
  })

  it('of an index are its subject, then its manifests', () => {
    expect(successors('index')).toEqual([
      ['subject', digest('image')],
      ['contains', digest('image')],
      ['contains', digest('other')],
    ])
  })

  it('of an artifact manifest are its subject, then its blobs', () => {
    expect(successors('artifact')).toEqual([
      ['subject', digest('image')],
      ['contains', digest('x')],
      ['contains', digest('y')],
    ])
  })

  it('of an own type are what its author says', () => {
    expect(successors('bundle')).toEqual([
      ['contains', digest('image')],
      ['contains', digest('x')],
    ])
  })

  it('of a Docker manifest have no subject: the field is unknown there', () => {
    const docker = graph({
      image: { kind: 'docker', children: ['c', 'x'], subject: 'x' },
      list: { kind: 'list', children: ['image'], subject: 'x' },
    })
    for (const name of ['image', 'list']) {
      const { descriptor, bytes } = docker.node(name)
      const facts = standardManifestTypes.read(descriptor, bytes)
      expect(JSON.parse(Buffer.from(bytes).toString())).toHaveProperty('subject')
      expect(successorsOf(facts).map(({ edge }) => edge)).not.toContain('subject')
    }
  })
})

describe('a manifest type of the caller', () => {
  it('is one more, or replaces a standard one of its name', () => {
    expect(ownTypes.isManifest(bundleMediaType)).toBe(true)
    expect(ownTypes.mediaTypes).toEqual([...standardManifestTypes.mediaTypes, bundleMediaType])
    const replaced = declareManifestTypes({
      mediaType: mediaTypes.ociIndex,
      read: () => ({ contains: [child] }),
    })
    expect(replaced.mediaTypes).toEqual(standardManifestTypes.mediaTypes)
    const descriptor = { ...child, mediaType: mediaTypes.ociIndex }
    expect(replaced.read(descriptor, Buffer.from('no JSON')).contains).toEqual([child])
  })

  it('reads the bytes under the limits of the caller', () => {
    const limits = { maxBytes: 7 }
    const heard: unknown[] = []
    const types = ownType((...parameters) => {
      heard.push(...parameters)
      return { contains: [] }
    })
    types.read({ ...child, mediaType: 'own/type' }, Buffer.from('{}'), limits)
    expect(heard).toEqual([Buffer.from('{}'), limits])
  })

  it('may be an object with state of its own', () => {
    class OwnType implements ManifestType {
      readonly mediaType = 'own/type'
      readonly #contains = [child]
      read(): ManifestFacts {
        return { contains: this.#contains }
      }
    }
    expect(readOwn(declareManifestTypes(new OwnType())).contains).toEqual([child])
  })

  it('hands on descriptors without what it did not look at', () => {
    const raw: Descriptor = JSON.parse(JSON.stringify({ ...child, platform: null, x: 1 }))
    const facts = readOwn(
      ownType(() => ({ contains: [raw], config: raw, subject: raw, artifactType: 'x/y' })),
    )
    expect(facts).toEqual({ contains: [child], config: child, subject: child, artifactType: 'x/y' })
  })

  it.each([{ size: -1 }, { size: 1.5 }, { digest: '../../etc/passwd' }, { mediaType: '' }])(
    'cannot name a node with %j',
    (change) => {
      const malformed = { ...child, ...change }
      expect(() => readOwn(ownType(() => ({ contains: [malformed] })))).toThrow(InvalidManifestError)
      expect(() => readOwn(ownType(() => ({ contains: [], subject: malformed })))).toThrow(
        InvalidManifestError,
      )
    },
  )

  it('that fails on a document says so, with its own error as the cause', () => {
    const failure = new SyntaxError('no parts')
    const types = ownType(() => {
      throw failure
    })
    expect(() => readOwn(types)).toThrow(
      expect.objectContaining({
        code: 'INVALID_MANIFEST',
        message: expect.stringMatching(/^sha256:.* is not a valid own\/type: no parts$/),
        cause: failure,
      }),
    )
  })

  it('that gives no list makes the document invalid', () => {
    const types = ownType((bytes) => ({ contains: JSON.parse(Buffer.from(bytes).toString()).parts }))
    expect(() => readOwn(types)).toThrow(InvalidManifestError)
  })

  it.each([new SizeExceedsLimitError('deep'), new UnsupportedError('version 3')])(
    'keeps what it says by a code: %s',
    (failure) => {
      const types = ownType(() => {
        throw failure
      })
      expect(() => readOwn(types)).toThrow(failure)
    },
  )
})

describe('a manifest in a list of referrers', () => {
  it('carries artifact type and annotations, and nothing that its parent said', () => {
    const facts = { contains: [], artifactType: 'a/b', annotations: { a: 'b' } }
    const described = {
      ...child,
      data: 'eA==',
      platform: { os: 'a', architecture: 'b' },
      annotations: { no: 'no' },
    }
    expect(referrerDescriptor(described, facts)).toEqual({
      ...child,
      artifactType: 'a/b',
      annotations: { a: 'b' },
    })
  })

  it('has no fields for what it does not have', () => {
    expect(Object.keys(referrerDescriptor(child, { contains: [] }))).toEqual(['mediaType', 'digest', 'size'])
  })
})
