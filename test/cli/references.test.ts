import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import {
  formatAddress,
  parseDestination,
  parsePlace,
  parseRegistryPlace,
  parseSource,
  type Address,
} from '../../src/cli/references.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('the spelling of a source', () => {
  it.each([
    ['host/team/app:v1', 'host/team/app:v1'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    [`host:5000/app@${digest}`, `host:5000/app@${digest}`],
    [`host/app:v1@${digest}`, `host/app:v1@${digest}`],
    ['[::1]:5000/app:v1', '[::1]:5000/app:v1'],
    ['docker.io/alpine:3', 'docker.io/library/alpine:3'],
    ['docker://alpine', 'docker.io/library/alpine:latest'],
    ['docker://alpine:3', 'docker.io/library/alpine:3'],
    [`docker://alpine@${digest}`, `docker.io/library/alpine@${digest}`],
    ['docker://team/app', 'docker.io/team/app:latest'],
    ['docker://localhost/app', 'localhost/app:latest'],
    ['docker://host:5000/app:v1', 'host:5000/app:v1'],
    ['docker://ghcr.io/app', 'ghcr.io/app:latest'],
    ['oci:out:v1', 'oci:out:v1'],
    [`oci:out@${digest}`, `oci:out@${digest}`],
    [`oci:out:v1@${digest}`, `oci:out:v1@${digest}`],
    ['oci:out', 'oci:out'],
    ['oci:/a:b/out:v1', 'oci:/a:b/out:v1'],
    ['oci:/a:b/out', 'oci:/a:b/out'],
    ['oci:./me@home:v1', 'oci:./me@home:v1'],
    ['ocidir://out:v1', 'oci:out:v1'],
    ['ocidir:///tmp/out:v1', 'oci:/tmp/out:v1'],
  ])('%s is read as %s', (text, expected) => {
    expect(formatAddress(parseSource(text))).toBe(expected)
  })

  it.each(['out:v1', './out:v1', '/tmp/a:b/out:v1'])('%s is a layout where a flag says so', (text) => {
    expect(formatAddress(parseSource(text, { isLayout: true }))).toBe(`oci:${text}`)
  })

  it.each([
    ['alpine', 'docker://alpine'],
    ['alpine:3', 'docker://alpine:3'],
    ['host/app', 'host/app:TAG'],
    ['./out:v1', 'oci:./out:v1'],
    ['/tmp/out', 'oci:/tmp/out'],
    ['https://host/app:v1', 'write host/repository:tag'],
    ['http://host/app:v1', '--from-plain-http'],
    ['oci://host/app:v1', 'host/repository:tag for a registry'],
    ['oci-archive:file.tar:v1', 'oci:DIR:tag'],
    ['dir:out', 'oci:DIR:tag'],
    ['host/app:v1,v2', 'which only a destination can'],
    ['host/App:v1', 'host/repository:tag'],
    ['ho st/app:v1', 'host/repository:tag'],
    ['host/app:-v1', '"-v1" is not a tag'],
    ['host/app:', '"" is not a tag'],
    ['host/app@sha256:12', '64 digits'],
    ['host/app@md5:abc', '@sha256:'],
    ['oci:', 'oci:DIR:tag'],
    ['oci::v1', 'oci:DIR:tag'],
    ['oci:out:', '"" is not a tag'],
    ['', 'host/'],
  ])('%s is refused with a sentence that shows %s', (text, expected) => {
    expect(() => parseSource(text)).toThrow(CommanderError)
    expect(() => parseSource(text)).toThrow(expected)
  })

  it('is not a layout twice', () => {
    expect(() => parseSource('oci:out:v1', { isLayout: true })).toThrow('leave out the flag')
  })

  it.each([
    'https://user:secret@host/app:v1',
    'user:secret@host/app:v1',
    'user:secret@host',
    'user:secret,!,p@host',
    'user:!secret,p@host',
    'user:p@secret@host/app:v1',
    'user:p/secret@host/app:v1',
    './user:secret@host/app',
    `user:secret@host/App@${digest}`,
    'docker://user:secret@host/app',
    'oci://user:secret@host/app',
  ])('never shows the password of %s in its error', (text) => {
    expect(() => parseSource(text)).toThrow(CommanderError)
    expect(() => parseSource(text)).toThrow(/^(?!.*secret)/s)
    expect(() => parseDestination(text)).toThrow(/^(?!.*secret)/s)
    expect(() => parsePlace(text)).toThrow(/^(?!.*secret)/s)
  })

  it('never shows what stands before an @ in the name of a layout or registry', () => {
    expect(() => parsePlace('oci:user:secret@host/x:v1')).toThrow(/^(?!.*secret)/s)
    expect(() => parseRegistryPlace('user:secret@host')).toThrow(/^(?!.*secret)/s)
  })

  it('shows control characters of a wrong spelling as escapes', () => {
    expect(() => parseSource('\u009b31mhost/app')).toThrow('\\u{9b}31mhost')
  })
})

describe('the spelling of a destination', () => {
  it.each([
    ['host/app:v1,v1.2,latest', ['v1', 'v1.2', 'latest']],
    ['host/app:v1,v1', ['v1']],
    ['oci:out:a,b', ['a', 'b']],
    ['host/app', []],
    ['oci:out', []],
    ['docker://host/app', ['latest']],
    [`docker://host/app@${digest}`, []],
  ])('%s has the tags %j', (text, tags) => {
    const { tags: found }: Address = parseDestination(text)
    expect(found).toEqual(tags)
  })

  it.each(['host/app:v1,', 'host/app:,v1', 'oci:out:v1,,v2'])('%s is refused for its empty tag', (text) => {
    expect(() => parseDestination(text)).toThrow('"" is not a tag')
  })
})

describe('the spelling of a place alone', () => {
  it('is a repository or a layout', () => {
    expect(parsePlace('docker://alpine')).toEqual({
      kind: 'repository',
      registry: 'docker.io',
      repository: 'library/alpine',
    })
    expect(parsePlace('oci:out')).toEqual({ kind: 'layout', directory: 'out' })
  })

  it.each(['host/app:v1', `host/app@${digest}`, 'oci:out:v1'])('%s says too much', (text) => {
    expect(() => parsePlace(text)).toThrow('must not name a tag or a digest')
  })
})

describe('the spelling of a registry', () => {
  it.each([
    ['localhost:5000', 'localhost:5000', ''],
    ['localhost:5000/team', 'localhost:5000', 'team'],
    ['docker://ghcr.io/team/', 'ghcr.io', 'team'],
    ['index.docker.io', 'docker.io', ''],
    ['registry-1.docker.io/library', 'docker.io', 'library'],
  ])('%s is registry %s and prefix %s', (text, registry, prefix) => {
    expect(parseRegistryPlace(text)).toEqual({ registry, prefix })
  })

  it.each(['https://host', '', 'ho st', 'oci:out'])('%s is refused', (text) => {
    expect(() => parseRegistryPlace(text)).toThrow('write host, host:port or host/prefix')
  })
})
