import { describe, expect, it } from 'vitest'
import {
  formatReference,
  isRegistry,
  isRepository,
  isTag,
  parseReference,
  splitReference,
} from '../../src/content/reference.ts'
import { InvalidReferenceError } from '../../src/errors.ts'

const digest = `sha256:${'a1'.repeat(32)}`
const sha512 = `sha512:${'a1'.repeat(64)}`

describe('a reference', () => {
  it.each([
    ['localhost/a', { registry: 'localhost', repository: 'a' }],
    ['localhost:5000/a:v1', { registry: 'localhost:5000', repository: 'a', tag: 'v1' }],
    [`ghcr.io/org/a/b@${digest}`, { registry: 'ghcr.io', repository: 'org/a/b', digest }],
    [`ghcr.io/org/a:v1@${sha512}`, { registry: 'ghcr.io', repository: 'org/a', tag: 'v1', digest: sha512 }],
    ['127.0.0.1:80/a__b/c.d-e---f_g', { registry: '127.0.0.1:80', repository: 'a__b/c.d-e---f_g' }],
    ['[::1]:5000/a:__proto__', { registry: '[::1]:5000', repository: 'a', tag: '__proto__' }],
    ['[2001:db8::1]/a', { registry: '[2001:db8::1]', repository: 'a' }],
    ['my_registry/a:A.b-C_1', { registry: 'my_registry', repository: 'a', tag: 'A.b-C_1' }],
    ['Registry.Example/a', { registry: 'Registry.Example', repository: 'a' }],
  ])('%s has its parts, and is written so', (text, expected) => {
    expect(parseReference(text)).toEqual(expected)
    expect(formatReference(parseReference(text))).toBe(text)
  })

  it.each([
    ['docker.io/nginx', 'docker.io/library/nginx'],
    ['index.docker.io/nginx:1', 'docker.io/library/nginx:1'],
    ['registry-1.docker.io/grafana/loki', 'docker.io/grafana/loki'],
    [`docker.io/nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    ['docker.io/library/nginx', 'docker.io/library/nginx'],
    ['example.io/nginx', 'example.io/nginx'],
  ])('%s means %s', (text, expected) => {
    expect(formatReference(parseReference(text))).toBe(expected)
  })

  it.each([
    ['nothing', ''],
    ['no repository', 'localhost:5000'],
    ['an empty repository', 'localhost/'],
    ['an empty registry', '/a'],
    ['upper case in the repository', 'localhost/A'],
    ['an empty part', 'localhost/a//b'],
    ['a trailing slash', 'localhost/a/'],
    ['a part that is two dots', 'localhost/../a'],
    ['a part that ends in a separator', 'localhost/a-'],
    ['a part that begins with a separator', 'localhost/_a'],
    ['two separators', 'localhost/a..b'],
    ['three underscores', 'localhost/a___b'],
    ['an empty tag', 'localhost/a:'],
    ['a tag that begins with a dot', 'localhost/a:.b'],
    ['a tag of 129 characters', `localhost/a:${'t'.repeat(129)}`],
    ['a tag with a line break', 'localhost/a:b\n'],
    ['two tags', 'localhost/a:b:c'],
    ['an empty digest', 'localhost/a@'],
    ['a short digest', 'localhost/a@sha256:abc'],
    ['a digest of an unknown algorithm', `localhost/a@md5:${'a'.repeat(32)}`],
    ['two digests', `localhost/a@${digest}@${digest}`],
    ['a tag after the digest', `localhost/a@${digest}:v1`],
    ['a scheme', 'https://localhost/a'],
    ['a user', 'user@localhost/a'],
    ['a query', 'localhost/a?b'],
    ['an escape', 'localhost/a%2fb'],
    ['a space', 'local host/a'],
    ['a port that is none', 'localhost:x/a'],
    ['an empty port', 'localhost:/a'],
    ['a port that is too large', 'localhost:65536/a'],
    ['an IPv4 address that is none', '1.2.3.999/a'],
    ['an IPv6 address without brackets', '::1/a'],
    ['an IPv6 address that is none', '[::x]/a'],
    ['empty brackets', '[]/a'],
    ['an IPv6 zone', '[fe80::1%25eth0]/a'],
    ['a label that is empty', 'a..b/c'],
    ['a label that ends in a hyphen', 'a-.b/c'],
    ['a host of another script', 'реестр/a'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseReference(text)).toThrow(InvalidReferenceError)
  })

  it.each([
    ['letters and a mark', `${'a'.repeat(100_000)}!`],
    ['letters and a mark behind a registry', `localhost/${'a'.repeat(100_000)}!`],
    ['hyphens', `localhost/a${'-'.repeat(100_000)}!`],
    ['underscores', `localhost/a${'_'.repeat(100_000)}`],
    ['parts', `localhost/${'a/'.repeat(50_000)}`],
    ['colons', `localhost/a${':'.repeat(100_000)}`],
    ['colons in the registry', `${':'.repeat(100_000)}/a`],
    ['at signs', `a:${'@'.repeat(100_000)}/a`],
    ['dots', `${'.'.repeat(100_000)}/a`],
    ['brackets', `${'['.repeat(100_000)}/a`],
    ['digits', `localhost:${'1'.repeat(100_000)}/a`],
    ['a tag', `localhost/a:${'t'.repeat(100_000)}`],
    ['a digest', `localhost/a@sha256:${'a'.repeat(100_000)}`],
  ])('of 100,000 characters is refused at once, in few words: %s', (_, text) => {
    const start = performance.now()
    expect(() => parseReference(text)).toThrow(/^.{0,800}$/s)
    expect(performance.now() - start).toBeLessThan(500)
  })

  it.each([
    'user:secret@localhost/a',
    'https://user:secret@localhost/a',
    'https://user:sec@secret@localhost:5000/a:v1',
    'user:secret@localhost',
    'user:secret@localhost:5000/a@sha256:short',
  ])('keeps a password out of the message: %s', (text) => {
    expect(() => parseReference(text)).toThrow(/^((?!secret).)*$/s)
  })

  it('shows what was wrong', () => {
    expect(() => parseReference('localhost/A:v1')).toThrow(
      /"localhost\/A:v1" is not a reference: its repository/,
    )
    expect(() => parseReference('localhost/a:v1@sha256:1')).toThrow(/"localhost\/a:v1@sha256:1".*digest/)
  })
})

describe('the parts of a reference', () => {
  it.each([
    ['dir', { name: 'dir' }],
    ['dir:v1', { name: 'dir', tag: 'v1' }],
    ['/tmp/a:b/dir', { name: '/tmp/a:b/dir' }],
    ['/tmp/a:b/dir:v1', { name: '/tmp/a:b/dir', tag: 'v1' }],
    ['/tmp/me@home/dir:v1', { name: '/tmp/me@home/dir', tag: 'v1' }],
    [`../x@${digest}`, { name: '../x', digest }],
    [`C d:v1@${digest}`, { name: 'C d', tag: 'v1', digest }],
  ])('%s is split behind its last slash', (text, expected) => {
    expect(splitReference(text)).toEqual(expected)
  })
})

describe('the grammar', () => {
  it('of a tag has 1 to 128 characters', () => {
    expect(isTag('t'.repeat(128))).toBe(true)
    expect(isTag('')).toBe(false)
    expect(isTag(digest)).toBe(false)
  })

  it('of a repository has at most 255 characters', () => {
    expect(isRepository('a'.repeat(255))).toBe(true)
    expect(isRepository('a'.repeat(256))).toBe(false)
  })

  it('of a registry is a host that a URL can have', () => {
    expect(isRegistry('registry.example:443')).toBe(true)
    expect(isRegistry('registry.example/a')).toBe(false)
    expect(isRegistry('registry.example#a')).toBe(false)
    expect(isRegistry('256.256.256.256')).toBe(false)
    expect(isRegistry('registry.example:65536')).toBe(false)
    expect(isRegistry(`${'a.'.repeat(126)}a:65535`)).toBe(true)
    expect(isRegistry(`${'a.'.repeat(130)}a`)).toBe(false)
  })
})

describe('the message about what is no reference', () => {
  it.each([
    'user:secret@shared.example/x',
    'user:se/cret@host/repo:tag:tag',
    'secret@ghcr.io/X',
    `AWS:${'secret'.repeat(100)}@host/X`,
    `https://user:secret@host/x@sha256:${'0'.repeat(63)}`,
  ])('shows no password: %s', (text) => {
    expect(() => parseReference(text)).toThrow(/^(?!.*secret).*$/s)
    expect(() => parseReference(text)).toThrow(InvalidReferenceError)
  })
})
