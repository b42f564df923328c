import { describe, expect, it } from 'vitest'
import { proxyChoice } from '../../../../src/targets/remote/transport/proxy.ts'

type Variables = Readonly<Record<string, string>>

/** The proxy that these variables name for a URL. */
function proxyOf(url: string, variables: Variables): string | undefined {
  return proxyChoice(undefined, variables)(new URL(url))?.url.host
}

const both = { https_proxy: 'http://secure:1', http_proxy: 'http://plain:1' }
const registry = 'https://registry.example/v2/'

describe('the proxy of the variables', () => {
  it('is another one for each scheme, and none without a variable', () => {
    expect(proxyOf(registry, both)).toBe('secure:1')
    expect(proxyOf('http://registry.example/', both)).toBe('plain:1')
    expect(proxyOf(registry, { http_proxy: 'http://plain:1' })).toBeUndefined()
    expect(proxyOf(registry, { all_proxy: 'http://all:1', ALL_PROXY: 'http://all:1' })).toBeUndefined()
    expect(proxyOf(registry, {})).toBeUndefined()
  })

  it('is that of the variable in lower case first, and an empty one is none', () => {
    expect(proxyOf(registry, { https_proxy: 'lower:1', HTTPS_PROXY: 'upper:1' })).toBe('lower:1')
    expect(proxyOf(registry, { https_proxy: '', HTTPS_PROXY: 'upper:1' })).toBe('upper:1')
  })

  it('is not that of HTTP_PROXY where the header of a request could have made it', () => {
    const plain = 'http://registry.example/'
    const variables = { HTTP_PROXY: 'http://upper:1' }
    expect(proxyOf(plain, variables)).toBe('upper:1')
    expect(proxyOf(plain, { ...variables, REQUEST_METHOD: 'GET' })).toBeUndefined()
    expect(proxyOf(plain, { ...variables, REQUEST_METHOD: 'GET', http_proxy: 'lower:1' })).toBe('lower:1')
    expect(proxyOf(registry, { HTTPS_PROXY: 'upper:1', REQUEST_METHOD: 'GET' })).toBe('upper:1')
  })

  it.each([
    'https://localhost/',
    'https://localhost:5000/',
    'http://127.0.0.1/',
    'https://127.9.9.9/',
    'https://[::1]:5000/',
    'https://[::ffff:127.0.0.1]/',
    'https://0x7f.1/',
  ])('is none for this machine at %s', (url) => {
    expect(proxyOf(url, both)).toBeUndefined()
  })

  it.each([
    ['*', registry],
    ['other.example, *', registry],
    ['registry.example', registry],
    ['REGISTRY.example', registry],
    ['example', registry],
    ['.example', registry],
    ['*.example', registry],
    ['other.example registry.example', registry],
    ['registry.example:443', registry],
    ['registry.example:5000', 'http://registry.example:5000/'],
    ['registry.example:80', 'http://registry.example/'],
    ['10.0.0.1', 'https://10.0.0.1/'],
    ['10.0.0.1:5000', 'https://10.0.0.1:5000/'],
    ['10.0.0.0/8', 'https://10.9.9.9:5000/'],
    ['fd00::/8', 'https://[fd00::9]/'],
    ['fd00::9', 'https://[fd00::9]/'],
    ['[fd00::9]', 'https://[fd00::9]/'],
    ['[fd00::9]:5000', 'https://[fd00::9]:5000/'],
    ['10.0.0.1', 'https://[::ffff:10.0.0.1]/'],
  ])('is none where NO_PROXY is %s for %s', (list, url) => {
    expect(proxyOf(url, { ...both, no_proxy: list })).toBeUndefined()
    expect(proxyOf(url, { ...both, NO_PROXY: list })).toBeUndefined()
  })

  it.each([
    ['', registry],
    [',', registry],
    ['gistry.example', registry],
    ['registry.example.org', registry],
    ['.registry.example', registry],
    ['*.registry.example', registry],
    ['registry.example:5000', registry],
    ['registry.example:', registry],
    [':443', registry],
    ['**', registry],
    ['10.0.0.1', 'https://10.0.0.10/'],
    ['0.0.1', 'https://10.0.0.1/'],
    ['10.0.0.0/33', 'https://10.0.0.1/'],
    ['10.0.0.0/', 'https://10.0.0.1/'],
    ['10.0.0.0/x', 'https://10.0.0.1/'],
    ['10.0.0.0/8', 'https://11.0.0.1/'],
    ['10.0.0.0/8', 'https://10.example/'],
    ['fd00::/8', 'https://10.0.0.1/'],
  ])('stays where NO_PROXY is %j for %s', (list, url) => {
    expect(proxyOf(url, { ...both, no_proxy: list })).toMatch(/:1$/)
  })

  it.each(['socks5://user:canary@proxy:1', 'http://', 'http://[', 'ftp://canary@proxy', 'file:///canary'])(
    'that is %s is an error where it is needed, and nothing of it is shown',
    (value) => {
      const find = proxyChoice(undefined, { HTTPS_PROXY: value })
      expect(find(new URL('http://registry.example/'))).toBeUndefined()
      expect(find(new URL('https://localhost/'))).toBeUndefined()
      const fail = (): unknown => find(new URL(registry))
      expect(fail).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
      expect(fail).toThrow(/^the proxy in HTTPS_PROXY is no URL such as http:\/\/host:port(?!.*canary)/)
    },
  )
})

describe('the proxy of the option', () => {
  it('is for everything, whatever the variables say', () => {
    const find = proxyChoice('http://mine:1', { ...both, no_proxy: '*' })
    expect(find(new URL(registry))?.url.host).toBe('mine:1')
    expect(find(new URL('http://localhost/'))?.url.host).toBe('mine:1')
  })

  it('is none where it is empty', () => {
    expect(proxyChoice('', both)(new URL(registry))).toBeUndefined()
  })

  it('has no user in its URL', () => {
    const find = proxyChoice('http://us%40er:pa%3Ass@mine:1/path?query', {})
    const proxy = find(new URL(registry))
    expect(proxy?.url.href).toBe('http://mine:1/')
    expect(proxy?.authorization).toBe(`Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`)
  })

  it('may have a percent sign in its password', () => {
    const proxy = proxyChoice('http://user:100%@mine:1', {})(new URL(registry))
    expect(proxy?.authorization).toBe(`Basic ${Buffer.from('user:100%').toString('base64')}`)
  })

  it.each(['socks5://user:canary@proxy:1', 'http://', 'canary@', 'http://user:canary@['])(
    'that is %s is refused at once, and nothing of it is shown',
    (value) => {
      expect(() => proxyChoice(value, {})).toThrow(RangeError)
      expect(() => proxyChoice(value, {})).toThrow(/^(?!.*canary)/)
    },
  )
})
