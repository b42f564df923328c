import { describe, expect, it } from 'vitest'
import { isDigest, parseDigest } from '../../src/content/digest.ts'
import { withoutParameters } from '../../src/content/media-types.ts'
import { formatPlatform, parsePlatform } from '../../src/content/platform.ts'
import { printable } from '../../src/content/printable.ts'
import {
  formatReference,
  isRegistry,
  isRepository,
  isTag,
  parseReference,
  redacted,
  splitReference,
} from '../../src/content/reference.ts'
import { InvalidDigestError, InvalidReferenceError } from '../../src/errors.ts'
import { parseChunkRange, parseRange } from '../../src/server/byte-range.ts'
import { parseTagOrDigest } from '../../src/targets/remote/endpoint.ts'
import { parseChallenges } from '../../src/targets/remote/auth/challenge.ts'
import { keysOfPlace, placesOf } from '../../src/targets/remote/auth/registry-name.ts'
import { nextLink } from '../../src/targets/remote/pages.ts'
import { parseRetryAfter } from '../../src/targets/remote/transport/retry-after.ts'
import { expectLinear, forPieces, forTexts, type TextShape } from './hostile-text.ts'

const digest = `sha256:${'a1'.repeat(32)}`

/** A parser, what its texts are made of, and the errors that its contract allows. */
interface Parser extends TextShape {
  readonly parse: (text: string) => unknown
  readonly errors?: readonly (abstract new (...parameters: never) => Error)[]
}

const referencePieces =
  `localhost docker.io registry-1.docker.io 127.0.0.1 [::1] :5000 :65536 / app a__b a- -- . _ .. : :v1 @ ${digest} sha256: user:secret@ A %2f \\`.split(
    ' ',
  )

const parsers: Readonly<Record<string, Parser>> = {
  'the challenges of WWW-Authenticate': {
    pieces: [
      'Bearer',
      'basic',
      ' ',
      'realm',
      '=',
      '"',
      '\\',
      '"https://a/t"',
      ',',
      'scope',
      '\t',
      '"a\\"b"',
      'a/b',
    ],
    frames: ['Bearer ␣', 'Bearer realm="␣', 'Bearer realm=␣', 'Bearer realm="a"␣,b="c"', 'Basic realm="\\␣"'],
    parse: (text) => parseChallenges([text]),
  },
  'the next page of Link': {
    pieces: [
      '<',
      '>',
      '/v2/a/tags/list?n=1',
      '; rel=next',
      ';',
      ' ',
      'rel',
      '="next"',
      ',',
      'rel="prev"',
      '"',
    ],
    frames: [
      '<␣',
      '<␣>; rel="next"',
      '<a>;␣',
      '<a>; rel=␣',
      '<a>; rel="next"␣',
      '<a>; rel ␣=next',
      '<a>; rel="next␣"',
    ],
    parse: (text) => nextLink([text]),
  },
  'a Range of a reader': {
    pieces: ['bytes=', '0', '-', '5', '-1', '9'.repeat(30), ',', ' ', 'items='],
    frames: ['bytes=␣', 'bytes=0-␣', 'bytes=-␣', 'bytes=␣-'],
    parse: (text) => parseRange(text, 100),
  },
  'a Content-Range of a chunk': {
    pieces: ['0', '-', '5', '9'.repeat(16), ' ', '+'],
    frames: ['0-␣', '␣-0'],
    parse: parseChunkRange,
  },
  'Retry-After': {
    pieces: ['1', '0', '-', 'Fri', ', ', '31', ' Dec ', '1999', '23:59:59', ' GMT', '1e9', ' '],
    frames: ['Fri, 31 Dec 1999 ␣', '␣ GMT', '1␣'],
    parse: (text) => parseRetryAfter(text, 0),
  },
  'a reference': {
    pieces: referencePieces,
    frames: ['host/␣', 'host/a:␣', 'host/a@␣', 'host/a@sha256:␣', '␣/a', '[␣]/a', 'host:␣/a', 'host/␣a'],
    parse: (text) => [parseReference(text)],
    errors: [InvalidReferenceError],
  },
  'the parts of a reference': {
    pieces: referencePieces,
    frames: ['host/␣', '@␣', `␣@${digest}`],
    parse: splitReference,
    errors: [InvalidReferenceError],
  },
  'a tag or a digest': {
    pieces: ['v1', '@', digest, 'sha256:', '.', '-', '__proto__'],
    frames: ['v1@␣', '␣@v1'],
    parse: parseTagOrDigest,
    errors: [InvalidReferenceError],
  },
  'a name': {
    pieces: referencePieces,
    frames: ['␣/', '/␣', '[␣', '[␣]', '␣:1', 'a-␣-', '@␣@'],
    parse: (text) => [
      isTag(text),
      isRepository(text),
      isRegistry(text),
      isDigest(text),
      redacted(text),
      printable(text),
    ],
  },
  'a digest': {
    pieces: [digest, 'sha256', 'sha512', 'md5', ':', 'a'.repeat(64), '../', 'A', '\0', '__proto__'],
    frames: ['sha256:␣', '␣:a', 'sha256:␣:'],
    parse: parseDigest,
    errors: [InvalidDigestError],
  },
  'a platform': {
    pieces: ['linux', '/', 'arm64', 'v8', ':', '10.0.1', 'local', '__proto__'],
    frames: ['linux/␣', 'linux/amd64:␣', 'linux/amd64/␣'],
    parse: (text) => parsePlatform(text),
    errors: [RangeError],
  },
  'a Content-Type': {
    pieces: ['application/json', ';', ' ', 'charset=utf-8', '"', ','],
    frames: ['application/json;␣', '␣;charset', ' ␣a ␣'],
    parse: withoutParameters,
  },
  'a key of stored credentials': {
    pieces: ['https://', 'http://', 'host', ':5000', '/', 'v1/', 'docker.io', '__proto__', 'team'],
    frames: ['https://␣', 'https://host/␣', 'host/␣', '␣/v1/'],
    parse: (text) => keysOfPlace([text], placesOf('host', 'team/app')[0] ?? ''),
  },
}

describe.each(Object.entries(parsers))('the parser of %s', (_name, { parse, errors = [], ...shape }) => {
  const attempt = (text: string): void => {
    try {
      parse(text)
    } catch (error) {
      if (!errors.some((allowed) => error instanceof allowed)) throw error
    }
  }

  it('throws nothing but what it documents', () => {
    forTexts(shape, attempt)
  })

  it('takes time in proportion to the text', () => {
    expectLinear(shape, attempt)
  })
})

describe('what a parser accepts is written as it was read:', () => {
  it.each<
    [string, readonly string[], (text: string) => Readings, abstract new (...parameters: never) => Error]
  >([
    [
      'a reference',
      ['localhost/', 'docker.io/', 'host:5000/', '[::1]/', 'app', '/b', ':v1', `@${digest}`],
      readTwice(parseReference, formatReference),
      InvalidReferenceError,
    ],
    [
      'a platform',
      ['linux/', 'arm64', '/v8', ':10.0', 'windows/amd64', 'local'],
      readTwice(parsePlatform, formatPlatform),
      RangeError,
    ],
    [
      'a digest',
      [digest, 'sha256:', 'a1'.repeat(32), `sha512:${'0f'.repeat(64)}`, `sha384:${'0f'.repeat(48)}`],
      readTwice(parseDigest, ({ algorithm, encoded }) => `${algorithm}:${encoded}`),
      InvalidDigestError,
    ],
  ])('%s', (_what, pieces, read, refusal) => {
    let accepted = 0
    forPieces(pieces, (text) => {
      const values = unlessRefused(text, read, refusal)
      if (values === undefined) return
      accepted += 1
      expect(values.again).toEqual(values.first)
    })
    expect(accepted).toBeGreaterThan(30)
  })
})

/** What a text means, and what that means once it was written. */
interface Readings {
  readonly first: unknown
  readonly again: unknown
}

function readTwice<T>(read: (text: string) => T, write: (value: T) => string): (text: string) => Readings {
  return (text) => {
    const first = read(text)
    return { first, again: read(write(first)) }
  }
}

function unlessRefused<T>(
  text: string,
  read: (text: string) => T,
  refusal: abstract new (...parameters: never) => Error,
): T | undefined {
  try {
    return read(text)
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}
