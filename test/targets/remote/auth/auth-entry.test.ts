import { describe, expect, it } from 'vitest'
import { AuthError } from '../../../../src/errors.ts'
import { formatAuthEntry, parseAuthEntry } from '../../../../src/targets/remote/auth/auth-entry.ts'
import type { Credential } from '../../../../src/targets/remote/auth/credential.ts'
import { authOf } from './folder.ts'

describe('an entry of a file of credentials', () => {
  it.each<[string, unknown, Credential | undefined]>([
    ['auth', { auth: authOf('user', 'secret') }, { username: 'user', password: 'secret' }],
    [
      'auth with colons in the password',
      { auth: authOf('u', 'a:b:c') },
      { username: 'u', password: 'a:b:c' },
    ],
    [
      'auth with characters of all kinds',
      { auth: authOf('ü', 'pässwörd€') },
      { username: 'ü', password: 'pässwörd€' },
    ],
    [
      'auth filled with zeros',
      { auth: authOf('user', 'secret\0\0\0') },
      { username: 'user', password: 'secret' },
    ],
    [
      'auth besides other fields',
      { auth: authOf('a', 'b'), username: 'x', password: 'y', email: 'z' },
      { username: 'a', password: 'b' },
    ],
    [
      'user name and password',
      { username: 'user', password: 'secret' },
      { username: 'user', password: 'secret' },
    ],
    ['an identity token', { identitytoken: 'refresh' }, { identityToken: 'refresh' }],
    [
      'an identity token with its user',
      { auth: authOf('user', ''), identitytoken: 'refresh' },
      { identityToken: 'refresh', username: 'user' },
    ],
    ['a registry token', { registrytoken: 'bearer', auth: authOf('a', 'b') }, { accessToken: 'bearer' }],
    ['nothing', {}, undefined],
    ['null', null, undefined],
    ['empty fields', { auth: '', identitytoken: '', registrytoken: null }, undefined],
    ['a user name alone', { username: 'user' }, undefined],
  ])('may have %s', (_what, entry, expected) => {
    expect(parseAuthEntry(entry, 'it')).toEqual(expected)
  })

  it.each([
    ['a text', 'canary'],
    ['a list', ['canary']],
    ['a number as password', { username: 'canary', password: 1 }],
    ['auth that is no base64', { auth: 'canary!' }],
    ['auth without a colon', { auth: Buffer.from('canary').toString('base64') }],
    ['auth without a user', { auth: Buffer.from(':canary').toString('base64') }],
  ])('with %s is an error that does not show it', (_what, entry) => {
    const parse = (): unknown => parseAuthEntry(entry, 'the entry "x" of config.json')
    expect(parse).toThrow(AuthError)
    expect(parse).toThrow(/^the entry "x" of config\.json (?!.*(canary|Y2FuYXJ5))/)
  })

  it.each<Credential>([
    { username: 'user', password: 'se:cret' },
    { identityToken: 'refresh' },
    { identityToken: 'refresh', username: 'user' },
    { accessToken: 'bearer' },
  ])('is read as it was written: %j', (credential) => {
    expect(parseAuthEntry(formatAuthEntry(credential), 'it')).toEqual(credential)
  })
})
