import { arch, platform } from 'node:process'
import { describe, expect, it } from 'vitest'
import { formatPlatform, localPlatform, matchesPlatform, parsePlatform } from '../../src/content/platform.ts'

describe('a platform', () => {
  it.each([
    ['linux/amd64', { os: 'linux', architecture: 'amd64' }],
    ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['windows/amd64:10.0.17763.1', { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763.1' }],
    ['linux/arm64/v8:5.15', { os: 'linux', architecture: 'arm64', variant: 'v8', 'os.version': '5.15' }],
  ])('is read from %s, and written so', (text, expected) => {
    expect(parsePlatform(text)).toEqual(expected)
    expect(formatPlatform(parsePlatform(text))).toBe(text)
  })

  it.each([
    '',
    'linux',
    '/',
    'linux/',
    '/amd64',
    'linux/amd64/',
    'linux/arm/v7/x',
    ':10.0',
    'linux:10.0/amd64',
    'linux/amd64:',
  ])('is not %j', (text) => {
    expect(() => parsePlatform(text)).toThrow(RangeError)
  })

  it('matches the same system and architecture only', () => {
    const wanted = parsePlatform('linux/amd64')
    expect(matchesPlatform(parsePlatform('linux/amd64'), wanted)).toBe(true)
    expect(matchesPlatform(parsePlatform('linux/arm64'), wanted)).toBe(false)
    expect(matchesPlatform(parsePlatform('windows/amd64'), wanted)).toBe(false)
  })

  it.each([
    ['linux/arm/v6', 'linux/arm', true],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm', 'linux/arm/v6', false],
    ['linux/arm/v7', 'linux/arm/v7', true],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v9', 'linux/arm64/v8', false],
    ['linux/amd64', 'linux/amd64/v3', false],
    ['windows/amd64:10.0.1', 'windows/amd64', true],
    ['windows/amd64:10.0.1', 'windows/amd64:10.0.1', true],
    ['windows/amd64:10.0.2', 'windows/amd64:10.0.1', false],
    ['windows/amd64', 'windows/amd64:10.0.1', false],
  ])('%s offered, %s wanted: %s', (offered, wanted, matches) => {
    expect(matchesPlatform(parsePlatform(offered), parsePlatform(wanted))).toBe(matches)
  })

  it('matches if it has every feature that is wanted', () => {
    const base = parsePlatform('windows/amd64')
    const wanted = { ...base, 'os.features': ['win32k'] }
    expect(matchesPlatform({ ...base, 'os.features': ['other', 'win32k'] }, wanted)).toBe(true)
    expect(matchesPlatform({ ...base, 'os.features': ['other'] }, wanted)).toBe(false)
    expect(matchesPlatform(base, wanted)).toBe(false)
    expect(matchesPlatform(wanted, base)).toBe(true)
  })

  it('named local is the one that this runs on, in the words of Go', () => {
    const words = new Map([
      ['x64', 'amd64'],
      ['arm64', 'arm64'],
    ])
    expect(parsePlatform('local')).toEqual(localPlatform())
    expect(localPlatform()).toEqual({
      os: platform === 'win32' ? 'windows' : platform,
      architecture: words.get(arch) ?? expect.any(String),
    })
  })
})
