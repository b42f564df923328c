import fc from 'fast-check'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { declaredMediaType, parseDescriptor } from '../../src/content/manifest.ts'
import { standardManifestTypes } from '../../src/content/manifest-types.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { parseStrictJson } from '../../src/content/strict-json.ts'
import {
  AuthError,
  InvalidLayoutError,
  InvalidManifestError,
  SizeExceedsLimitError,
} from '../../src/errors.ts'
import { parseAuthEntry } from '../../src/targets/remote/auth/auth-entry.ts'
import { changeConfigFile, readConfigFile } from '../../src/targets/remote/auth/config-file.ts'
import { parseIndexJson } from '../../src/targets/oci-layout/index-json.ts'
import { newFolder } from '../support/folder.ts'
import { expectLinear, forTexts, forTextsSlowly, seed, type TextShape } from './hostile-text.ts'

const digest = `sha256:${'a1'.repeat(32)}`
const descriptor = `{"mediaType":"${mediaTypes.ociManifest}","digest":"${digest}","size":7}`

/** A reader of documents, what its texts are made of, and the errors that its contract allows. */
interface Reader extends TextShape {
  readonly read: (bytes: Uint8Array) => unknown
  readonly errors: readonly (abstract new (...parameters: never) => Error)[]
}

const jsonPieces = [
  ...`{ } [ ] , : " \\ "a" "a":1 {} [] null true 1e3 -0 .5 "__proto__": "\\ud800" "\\u0061" "size":1.0`.split(
    ' ',
  ),
  '9007199254740993',
  '\uFEFF',
  '\0',
  ' ',
  '{"a":{"a":2}}',
]
const manifestPieces = [
  ...`{"schemaVersion":2 ,"config": ,"layers":[ ,"manifests":[ , ] } ,"subject": ,"Layers":[] {} null`.split(
    ' ',
  ),
  ...`,"annotations":{"__proto__":"x"} ,"blobs":[] ,"fsLayers":[] [] ${descriptor}`.split(' '),
  `{"schemaVersion":2,"config":${descriptor},"layers":[`,
  `{"schemaVersion":2,"manifests":[${descriptor}`,
]
const jsonFrames = [
  '[␣',
  '{"a":"␣',
  '{"a":"␣"}',
  '{"a":␣',
  '[␣]',
  '{"␣":1}',
  '["\\␣"]',
  '[-␣',
  '[1␣]',
  '[1.␣]',
  '[1e␣]',
]
const manifestErrors = [InvalidManifestError, SizeExceedsLimitError]

const readers: Readonly<Record<string, Reader>> = {
  'strict JSON': {
    pieces: jsonPieces,
    frames: jsonFrames,
    read: (bytes) => parseStrictJson(bytes),
    errors: manifestErrors,
  },
  ...Object.fromEntries(
    standardManifestTypes.mediaTypes.map((mediaType): [string, Reader] => [
      mediaType,
      {
        pieces: manifestPieces,
        read: (bytes) => standardManifestTypes.read({ mediaType, digest, size: bytes.length }, bytes),
        errors: manifestErrors,
      },
    ]),
  ),
  'the media type in a document': {
    pieces: manifestPieces,
    read: (bytes) => declaredMediaType(bytes),
    errors: manifestErrors,
  },
  'index.json': {
    pieces: manifestPieces,
    frames: jsonFrames,
    read: (bytes) => parseIndexJson(bytes, 'x'),
    errors: [InvalidLayoutError],
  },
}

describe.each(Object.entries(readers))('the reader of %s', (_name, { read, errors, ...shape }) => {
  const attempt = (text: string): void => {
    try {
      read(Buffer.from(text))
    } catch (error) {
      if (!errors.some((allowed) => error instanceof allowed)) throw error
    }
  }

  it('throws nothing but what it documents', () => {
    forTexts(shape, attempt)
  })

  it('takes time in proportion to the document', () => {
    if (shape.frames !== undefined) expectLinear(shape, attempt)
  })
})

describe('a value that stands where another is expected', () => {
  it.each<[string, (value: unknown) => unknown, abstract new (...parameters: never) => Error]>([
    ['a descriptor', parseDescriptor, InvalidManifestError],
    ['an entry with a credential', (value) => parseAuthEntry(value, 'entry'), AuthError],
  ])('is refused for %s, or read without the names of prototypes', (_what, parse, refusal) => {
    const keys = fc.constantFrom(
      'mediaType',
      'digest',
      'size',
      'auth',
      'username',
      '__proto__',
      'constructor',
    )
    const leaves = fc.constantFrom<unknown>(digest, mediaTypes.ociLayer, 7, -1, 1.5, '', 'YTpi', null, true)
    const values = fc.oneof(
      fc.dictionary(keys, fc.oneof(leaves, fc.array(leaves, { maxLength: 2 })), { noNullPrototype: true }),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(values, (value) => {
        const parsed = unlessThrown(() => parse(value), refusal)
        if (parsed !== undefined) expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
      }),
      { seed, numRuns: 1000 },
    )
  })
})

describe('a stored credential', () => {
  const attempt = (auth: string): void => {
    unlessThrown(() => parseAuthEntry({ auth }, 'entry'), AuthError)
  }

  it('is read in time in proportion to its length', () => {
    expectLinear({ frames: ['YTpi␣', 'YTpi=␣', 'YTpi␣='] }, attempt)
    // Zeros before a last byte that is none.
    expectLinear({}, (text) => attempt(Buffer.from(`a:${text}b`).toString('base64')))
  })

  it('that is not one never shows in the error', () => {
    forTexts({ pieces: ['YTpi', '=', ' ', '!', 'hunter2'] }, (auth) => {
      const secret = `${auth}hunter2!`
      const error = thrownBy(() => parseAuthEntry({ auth: secret }, 'entry'))
      expect(`${error instanceof AuthError ? error.message : ''}`).toContain('entry')
      expect(String(error)).not.toContain('hunter2')
    })
  })
})

describe('a file of credentials', () => {
  const pieces = [
    ...`{ } "auths":{ "host":{"auth":"YTpi"} , "credsStore":"x" "credHelpers":{"__proto__":"x"} null []`.split(
      ' ',
    ),
    '"__proto__":{"auth":1}',
    '"auths":[]',
    ' ',
    '\uFEFF',
    '{"auths":{}}',
    '{"auths":{"h":{}},',
  ]

  it('is read, or refused by an error that shows nothing of it', async () => {
    await using folder = await newFolder()
    const file = join(folder.path, 'config.json')
    await forTextsSlowly({ pieces }, async (text) => {
      await writeFile(file, `${text}{"hunter2`)
      const error: unknown = await readConfigFile(file).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(AuthError)
      expect(String(error)).not.toContain('hunter2')
      await writeFile(file, text)
      await readConfigFile(file).catch((thrown: unknown) => expect(thrown).toBeInstanceOf(AuthError))
    })
  })

  it('that is nested a hundred thousand levels deep ends in an error of ours, and stays as it was', async () => {
    await using folder = await newFolder()
    const file = join(folder.path, 'config.json')
    const deep = `{"auths":{},"other":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    await writeFile(file, deep)
    expect((await readConfigFile(file))?.auths.size).toBe(0)
    const changed = changeConfigFile(file, () => new Map([['host', {}]]))
    expect(await changed.catch((thrown: unknown) => thrown)).toBeInstanceOf(AuthError)
    expect(await readFile(file, 'utf8')).toBe(deep)
  })
})

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

function unlessThrown<T>(act: () => T, refusal: abstract new (...parameters: never) => Error): T | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}
