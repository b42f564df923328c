import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { standardManifestTypes } from '../../src/content/manifest-types.ts'
import { declaredMediaType, parseDescriptor, type ManifestFacts } from '../../src/content/manifest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { InvalidManifestError, SizeExceedsLimitError } from '../../src/errors.ts'

const { ociManifest, ociIndex, ociArtifact, dockerManifest, dockerList } = mediaTypes

const node = (name: string, mediaType: string = mediaTypes.octetStream): Descriptor => ({
  mediaType,
  digest: digestOf(Buffer.from(name)),
  size: name.length,
})
const config = node('config', mediaTypes.ociConfig)
const layer = node('layer', mediaTypes.ociLayer)
const image = node('image', ociManifest)

/** A valid document of each type, the field that lists what it contains, and all of that. */
const documents = [
  [ociManifest, { schemaVersion: 2, config, layers: [layer] }, 'layers', [config, layer]],
  [dockerManifest, { schemaVersion: 2, config, layers: [layer] }, 'layers', [config, layer]],
  [ociIndex, { schemaVersion: 2, manifests: [image] }, 'manifests', [image]],
  [dockerList, { schemaVersion: 2, manifests: [image] }, 'manifests', [image]],
  [ociArtifact, { blobs: [layer] }, 'blobs', [layer]],
] as const

function read(mediaType: string, document: unknown): ManifestFacts {
  return readText(mediaType, JSON.stringify(document))
}

function readText(mediaType: string, text: string): ManifestFacts {
  const bytes = Buffer.from(text)
  return standardManifestTypes.read({ mediaType, digest: digestOf(bytes), size: bytes.length }, bytes)
}

const readEntry = (change: object): ManifestFacts =>
  read(ociIndex, { schemaVersion: 2, manifests: [{ ...image, ...change }] })

describe.each(documents)('a document of %s', (mediaType, document, list, expected) => {
  it('is read, with its own media type and without', () => {
    expect(read(mediaType, document).contains).toEqual(expected)
    expect(read(mediaType, { ...document, mediaType }).contains).toEqual(expected)
    expect(read(mediaType, { ...document, mediaType: null }).contains).toEqual(expected)
  })

  it('may have fields that no one knows, at every level', () => {
    const child = { ...image, 'com.example.x': { size: 'x' }, platform: { os: 'a', architecture: 'b', x: 1 } }
    const facts = read(mediaType, { ...document, [list]: [child], vendor: [1], history: null })
    expect(facts.contains.at(-1)).toEqual({ ...image, platform: { os: 'a', architecture: 'b' } })
  })

  it('may have null for an empty list, as Go writes it, and for what it need not have', () => {
    const nothing = { [list]: null, annotations: null, subject: null, artifactType: null, fsLayers: null }
    const facts = read(mediaType, { ...document, ...nothing })
    expect(facts.contains).toEqual('config' in document ? [config] : [])
    expect(facts.subject).toBeUndefined()
    expect(facts.annotations).toBeUndefined()
  })

  it.each(documents.filter(([other]) => other !== mediaType).map(([other]) => other))(
    'that calls itself %s is refused',
    (other) => {
      expect(() => read(mediaType, { ...document, mediaType: other })).toThrow(InvalidManifestError)
    },
  )

  it.each(['', 'text/html', 'x'.repeat(100_000), mediaType.toUpperCase(), `${mediaType}; a=b`])(
    'that calls itself %.20j is refused in few words',
    (other) => {
      expect(() => read(mediaType, { ...document, mediaType: other })).toThrow(/^.{0,600}$/)
    },
  )

  it.each(['config', 'layers', 'manifests', 'blobs', 'fsLayers'].filter((field) => !(field in document)))(
    'is ambiguous with %s, even empty',
    (field) => {
      const value = field === 'config' ? config : []
      expect(() => read(mediaType, { ...document, [field]: value })).toThrow(
        new RegExp(`it has the field ${field}`),
      )
    },
  )

  it.each([
    'Layers',
    'LAYERS',
    'layer\u017f',
    'MANIFESTS',
    'manife\u017fts',
    'Config',
    'Blobs',
    'blob\u017f',
    'Subject',
    '\u017fubject',
    'MediaType',
    'mediatype',
    'SchemaVersion',
    'ArtifactType',
    'Annotations',
    'fslayers',
  ])('is refused with %s, which is a known field to some clients', (field) => {
    expect(() => read(mediaType, { ...document, [field]: null })).toThrow(/are one field to some clients/)
  })

  it('is refused where a key stands twice', () => {
    const text = JSON.stringify(document)
    expect(() => readText(mediaType, `${text.slice(0, -1)},"${list}":[]}`)).toThrow(/stands twice/)
  })

  it.each([1, 3, '2', true, {}])('is refused with schemaVersion %j', (schemaVersion) => {
    expect(() => read(mediaType, { ...document, schemaVersion })).toThrow(InvalidManifestError)
  })

  it.each([[[]], [null], ['text'], [1], [true]])('is refused where it is %j', (value) => {
    expect(() => read(mediaType, value)).toThrow(InvalidManifestError)
  })

  it.each([{ [list]: {} }, { [list]: 'x' }, { [list]: [null] }, { [list]: ['x'] }, { [list]: [[]] }])(
    'is refused with the list %j',
    (change) => {
      expect(() => read(mediaType, { ...document, ...change })).toThrow(InvalidManifestError)
    },
  )

  it.each([{ a: 1 }, { a: null }, { a: { b: 'c' } }, ['a'], 'a', { __proto__x: [] }])(
    'is refused with the annotations %j',
    (annotations) => {
      expect(() => read(mediaType, { ...document, annotations })).toThrow(InvalidManifestError)
    },
  )

  it('keeps annotations whose names are properties of every object', () => {
    const text = '{"__proto__":"a","constructor":"b","toString":"c"}'
    const facts = readText(mediaType, `${JSON.stringify(document).slice(0, -1)},"annotations":${text}}`)
    expect(JSON.stringify(facts.annotations)).toBe(text)
  })

  it('says what was wrong, with which manifest', () => {
    expect(() => read(mediaType, { ...document, [list]: [{ ...image, size: -1 }] })).toThrow(
      new RegExp(`^sha256:[0-9a-f]{64} is not a valid .*: ${list}\\.0\\.size: `),
    )
  })

  it('has limits', () => {
    const bytes = Buffer.from(JSON.stringify(document))
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    const limited = (limits: object): unknown => standardManifestTypes.read(descriptor, bytes, limits)
    expect(() => limited({ maxBytes: bytes.length - 1 })).toThrow(SizeExceedsLimitError)
    expect(() => limited({ maxDepth: 1 })).toThrow(SizeExceedsLimitError)
    expect(() => limited({ maxValues: 3 })).toThrow(SizeExceedsLimitError)
  })
})

describe('a descriptor in a manifest', () => {
  it('keeps all its known fields', () => {
    const platform = {
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      'os.version': '1',
      'os.features': ['x'],
    }
    const full = {
      ...image,
      platform,
      urls: ['https://a'],
      annotations: { a: 'b' },
      data: 'YQ==',
      artifactType: 'x/y',
    }
    expect(readEntry(full).contains).toEqual([full])
  })

  it('leaves out fields that are null', () => {
    const nothing = { platform: null, urls: null, annotations: null, data: null, artifactType: null }
    expect(readEntry(nothing).contains).toEqual([image])
  })

  it('has empty text where its platform lacks system or architecture', () => {
    expect(readEntry({ platform: {} }).contains[0]?.platform).toEqual({ os: '', architecture: '' })
    expect(readEntry({ platform: { os: null, architecture: 'arm' } }).contains[0]?.platform).toEqual({
      os: '',
      architecture: 'arm',
    })
  })

  it.each(['mediaType', 'digest', 'size'])('must have its %s', (field) => {
    expect(() => readEntry({ [field]: undefined })).toThrow(InvalidManifestError)
    expect(() => readEntry({ [field]: null })).toThrow(InvalidManifestError)
  })

  it.each([-1, 1.5, 2 ** 53, 2 ** 60, '1', true, [1], {}])('is refused with the size %j', (size) => {
    expect(() => readEntry({ size })).toThrow(InvalidManifestError)
  })

  it.each(['1e3', '1.0', '1E400', '9223372036854775807'])('is refused with the size %s', (size) => {
    const text = JSON.stringify({ schemaVersion: 2, manifests: [{ ...image, size: 77 }] })
    expect(readText(ociIndex, text).contains[0]?.size).toBe(77)
    expect(() => readText(ociIndex, text.replace('77', size))).toThrow(InvalidManifestError)
  })

  it.each([0, 2 ** 53 - 1])('may have the size %i', (size) => {
    expect(readEntry({ size }).contains[0]?.size).toBe(size)
  })

  it.each([
    '',
    'sha256:',
    'sha256:abc',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'g'.repeat(64)}`,
    `sha1:${'a'.repeat(40)}`,
    `../../${'a'.repeat(64)}`,
    1,
    {},
  ])('is refused with the digest %j', (digest) => {
    expect(() => readEntry({ digest })).toThrow(InvalidManifestError)
  })

  it.each([
    { mediaType: '' },
    { mediaType: 1 },
    { annotations: { a: 1 } },
    { annotations: [] },
    { urls: 'https://a' },
    { urls: [1] },
    { data: 1 },
    { artifactType: {} },
    { platform: 'linux/amd64' },
    { platform: { os: 1, architecture: 'a' } },
    { platform: { os: 'a', architecture: 'b', 'os.features': [1] } },
  ])('is refused with %j', (change) => {
    expect(() => readEntry(change)).toThrow(InvalidManifestError)
  })

  it.each(['Digest', 'SIZE', '\u017fize', 'dige\u017ft', 'mediatype', 'Platform', 'URLs', 'DATA'])(
    'is refused with the field %s',
    (field) => {
      expect(() => readEntry({ [field]: 1 })).toThrow(/are one field to some clients/)
    },
  )

  it.each(['OS', 'o\u017f', 'Architecture', 'OS.Version', 'Variant'])(
    'is refused with the field %s in its platform',
    (field) => {
      expect(() => readEntry({ platform: { [field]: 'x' } })).toThrow(/are one field to some clients/)
    },
  )

  it('is read by itself too', () => {
    expect(parseDescriptor({ ...image, x: 1, data: null })).toEqual(image)
    expect(() => parseDescriptor({ ...image, size: NaN })).toThrow(InvalidManifestError)
    expect(() => parseDescriptor(undefined)).toThrow(InvalidManifestError)
  })
})

describe('an image manifest', () => {
  it.each([undefined, null, {}, [], 'x'])('is refused with the config %j', (value) => {
    expect(() => read(ociManifest, { schemaVersion: 2, config: value, layers: [] })).toThrow(
      InvalidManifestError,
    )
  })

  it('has its config first, and names it', () => {
    const facts = read(ociManifest, { schemaVersion: 2, config, layers: [layer, layer] })
    expect(facts.contains).toEqual([config, layer, layer])
    expect(facts.config).toEqual(config)
  })

  it.each([undefined, null, ''])('of the artifact type %j has that of its config', (artifactType) => {
    expect(read(ociManifest, { schemaVersion: 2, config, artifactType }).artifactType).toBe(
      mediaTypes.ociConfig,
    )
  })

  it('has the artifact type that it states', () => {
    expect(read(ociManifest, { schemaVersion: 2, config, artifactType: 'a/b' }).artifactType).toBe('a/b')
  })
})

describe('an index', () => {
  it.each([undefined, null, ''])('of the artifact type %j has none', (artifactType) => {
    expect(read(ociIndex, { schemaVersion: 2, manifests: [], artifactType }).artifactType).toBeUndefined()
  })
})

describe('the own media type of a document', () => {
  const declared = (document: unknown): string | undefined =>
    declaredMediaType(Buffer.from(JSON.stringify(document)))

  it('is its field mediaType, if that is a text', () => {
    expect(declared({ mediaType: ociIndex, x: 1 })).toBe(ociIndex)
    expect(declared({ mediaType: 1 })).toBeUndefined()
    expect(declared({})).toBeUndefined()
    expect(declared([ociIndex])).toBeUndefined()
  })

  it('is not taken from what is no JSON, or too much', () => {
    expect(() => declaredMediaType(Buffer.from('<html>'))).toThrow(InvalidManifestError)
    expect(() => declaredMediaType(Buffer.from('{}'), { maxBytes: 1 })).toThrow(SizeExceedsLimitError)
  })
})

describe('a list of a hundred thousand things that are no descriptors', () => {
  it.each([0, {}])('of %o is refused at its first one', (element) => {
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, config, layers: Array(100_000).fill(element) }),
    )
    const started = performance.now()
    const descriptor = { mediaType: ociManifest, digest: digestOf(bytes), size: bytes.length }
    expect(() => standardManifestTypes.read(descriptor, bytes)).toThrow(/layers\.0/)
    // A report of each of them took seconds and hundreds of megabytes.
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
