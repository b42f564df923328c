import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseChallenges } from '../../../../src/targets/remote/auth/challenge.ts'

function parsed(...headers: string[]): [string, Record<string, string>][] {
  return parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
}

describe('parseChallenges', () => {
  it.each<[string, string, [string, Record<string, string>][]]>([
    [
      'a token challenge',
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.example/token',
            service: 'registry.example',
            scope: 'repository:a/b:pull,push',
          },
        ],
      ],
    ],
    [
      'two challenges in one header',
      'Basic realm="a, b", Bearer realm="c"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c' }],
      ],
    ],
    [
      'a scheme without parameters before another',
      'Negotiate, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['escapes in quotes', 'Bearer realm="a\\"b\\\\c"', [['bearer', { realm: 'a"b\\c' }]]],
    ['odd case and spaces', ' BEARER  Realm = "x" ,\tSERVICE=y ', [['bearer', { realm: 'x', service: 'y' }]]],
    [
      'a realm inside another value',
      'Bearer error="x, realm=\\"https://evil\\"", scope=",realm=b",realm="https://a"',
      [['bearer', { error: 'x, realm="https://evil"', scope: ',realm=b', realm: 'https://a' }]],
    ],
    ['a quote without an end', 'Bearer realm="https://x', [['bearer', { realm: 'https://x' }]]],
    ['a parameter that stands twice', 'Bearer realm="a",realm="b"', [['bearer', { realm: 'a' }]]],
    ['a parameter without a scheme', 'realm="a"', []],
    ['nothing', '', []],
    ['commas alone', ',,,', []],
    [
      'a name that objects have',
      'Bearer __proto__="x"',
      [['bearer', Object.fromEntries([['__proto__', 'x']])]],
    ],
  ])('reads %s', (_what, header, expected) => {
    expect(parsed(header)).toEqual(expected)
  })

  it('reads several headers', () => {
    expect(parsed('Basic realm="a"', 'Bearer realm="b"').map(([scheme]) => scheme)).toEqual([
      'basic',
      'bearer',
    ])
  })

  it('never throws', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '=', '"', '\\', ',', ' ', '\t', 'é', ';', 'Bearer '),
    })
    fc.assert(fc.property(text, (header) => Array.isArray(parseChallenges([header]))))
  })

  it.each(['"', 'a', ',', ' ', 'a="', '\\', 'a ', 'é'])('is linear in many %j', (part) => {
    const started = performance.now()
    parseChallenges([`Bearer ${part.repeat(200_000)}`])
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
