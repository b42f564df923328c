import { describe, expect, it } from 'vitest'
import {
  canonicalRegistry,
  keyOfRegistry,
  keysOfPlace,
  placesOf,
} from '../../../../src/targets/remote/auth/registry-name.ts'

describe('a key in a file of credentials', () => {
  it.each([
    ['registry.example', 'registry.example'],
    ['REGISTRY.example', 'registry.example'],
    ['https://registry.example', 'registry.example'],
    ['https://registry.example/v1/', 'registry.example'],
    ['http://registry.example:5000/v2/', 'registry.example:5000'],
    ['registry.example/', 'registry.example'],
    ['registry.example/team', 'registry.example/team'],
    ['registry.example/team/', 'registry.example/team'],
    ['[::1]:5000', '[::1]:5000'],
    ['https://index.docker.io/v1/', 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['registry-1.docker.io', 'docker.io'],
    ['docker.io', 'docker.io'],
    ['docker.io/library/alpine', 'docker.io/library/alpine'],
    ['index.docker.io/library', 'docker.io/library'],
  ])('%j is for %s', (key, place) => {
    expect(keysOfPlace([key], place)).toEqual([key])
  })

  it.each([
    ['myregistry.example', 'registry.example'],
    ['registry.example.evil.test', 'registry.example'],
    ['registry', 'registry.example'],
    ['registry.example', 'registry.example:5000'],
    ['registry.example:5000', 'registry.example'],
    ['registry.example:443', 'registry.example'],
    ['registry.example:50', 'registry.example:5000'],
    ['*.example', 'registry.example'],
    ['https://registry.example@evil.test/', 'registry.example'],
    ['https://evil.test@registry.example/', 'registry.example'],
    ['https://evil.test\\@registry.example/', 'registry.example'],
    ['https://evil.test/registry.example', 'registry.example'],
    ['ftp://registry.example', 'registry.example'],
    ['https://https://registry.example', 'registry.example'],
    ['registry.example/team', 'registry.example'],
    ['registry.example/tea', 'registry.example/team'],
    ['registry.example/team', 'registry.example/te'],
    ['docker.io', 'hub.docker.io'],
    ['auth.docker.io', 'docker.io'],
    ['https://index.docker.io/v1/', 'index.docker.io.evil.test'],
    ['', 'registry.example'],
    ['__proto__', 'registry.example'],
  ])('%j is not for %s', (key, place) => {
    expect(keysOfPlace([key], place)).toEqual([])
  })

  it('goes first in the spelling of docker, then in the plain one', () => {
    const hub = ['http://docker.io', 'docker.io', 'https://index.docker.io/v1/']
    expect(keysOfPlace(hub, 'docker.io')).toEqual(hub.toReversed())
    expect(keysOfPlace(['https://r.example', 'r.example'], 'r.example')).toEqual([
      'r.example',
      'https://r.example',
    ])
  })

  it('takes linear time', () => {
    const started = performance.now()
    for (const part of ['a', '/', 'https://', '.', ':', '@']) keysOfPlace([part.repeat(500_000)], 'r.example')
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('a registry', () => {
  it('has one name', () => {
    expect(['Registry.Example:5000', 'INDEX.docker.io'].map(canonicalRegistry)).toEqual([
      'registry.example:5000',
      'docker.io',
    ])
  })

  it('has the key that docker gives it', () => {
    expect(['localhost:5000', 'docker.io', 'registry-1.docker.io'].map(keyOfRegistry)).toEqual([
      'localhost:5000',
      'https://index.docker.io/v1/',
      'https://index.docker.io/v1/',
    ])
  })

  it('and a repository have places, the most special first', () => {
    expect(placesOf('r.example', 'a/b/c')).toEqual([
      'r.example/a/b/c',
      'r.example/a/b',
      'r.example/a',
      'r.example',
    ])
    expect(placesOf('registry-1.docker.io', undefined)).toEqual(['docker.io'])
  })
})
