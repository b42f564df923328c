import { userInfo } from 'node:os'
import { isAbsolute } from 'node:path'
import { describe, expect, it } from 'vitest'
import { homeFolder } from '../../src/targets/home-folder.ts'
import { configLocations } from '../../src/targets/remote/auth/config-locations.ts'

describe('the home', () => {
  it.each([
    [{ HOME: '/home/me' }, '/home/me'],
    [{ HOME: '' }, userInfo().homedir],
    [{ HOME: 'relative' }, userInfo().homedir],
    [{}, userInfo().homedir],
  ])('with %j is %s', (environment, expected) => {
    expect(homeFolder(environment)).toBe(expected)
  })

  it.each(['', '.'])('that is %j plants no credentials in the current folder', (HOME) => {
    const paths = configLocations({ environment: { HOME } }).map(({ path }) => path)
    expect(paths.filter((path) => !isAbsolute(path))).toEqual([])
  })
})
