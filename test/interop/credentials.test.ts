import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Registry } from '../../src/targets/remote/registry.ts'
import { login, logout } from '../../src/targets/remote/login.ts'
import { storedCredentials } from '../../src/targets/remote/auth/stored-credentials.ts'
import { runCommand } from '../cli/command.ts'
import { startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers, run } from '../support/peers.ts'
import { newFolder } from '../support/folder.ts'

const user = { username: 'reader', password: 'correct horse: battery €' }

describePeers(['skopeo', 'htpasswd', 'docker-registry'], 'Credentials that skopeo stores too', () => {
  it('are found where skopeo has stored them', async () => {
    await using registry = await startDockerRegistry({ user })
    await using folder = await newFolder()
    const file = join(folder.path, 'auth.json')
    const names = ['--username', user.username, '--password', user.password]
    const { code } = await run('skopeo', [
      'login',
      '--tls-verify=false',
      '--authfile',
      file,
      ...names,
      registry.host,
    ])
    expect(code).toBe(0)
    await using opened = new Registry(registry.host, { credential: storedCredentials({ file }) })
    expect(await Array.fromAsync(opened.repositories())).toEqual([])
    const env = { REGISTRY_AUTH_FILE: file }
    expect((await runCommand(['repo', 'ls', registry.host], { env })).code).toBe(0)
    expect((await runCommand(['repo', 'ls', registry.host])).code).toBe(4)
  })

  it('are found by skopeo where we have stored them, until the logout', async () => {
    await using registry = await startDockerRegistry({ user })
    await using folder = await newFolder()
    const file = join(folder.path, 'config.json')
    await writeFile(file, '{"psFormat":"table"}')
    expect(await login(registry.host, user, { file })).toMatchObject({ isChecked: true })
    const getLogin = (): ReturnType<typeof run> =>
      run('skopeo', ['login', '--get-login', '--tls-verify=false', '--authfile', file, registry.host])
    expect((await getLogin()).stdout).toBe(`${user.username}\n`)
    // Without a user name it logs in with what is stored.
    const again = await run('skopeo', ['login', '--tls-verify=false', '--authfile', file, registry.host])
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('existing credentials') })
    expect(await logout(registry.host, { file })).toBe(true)
    expect((await getLogin()).code).not.toBe(0)
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ auths: {} })
  })

  it('are not stored when the registry refuses them', async () => {
    await using registry = await startDockerRegistry({ user })
    await using folder = await newFolder()
    const file = join(folder.path, 'config.json')
    const wrong = { ...user, password: 'staple' }
    await expect(login(registry.host, wrong, { file })).rejects.toMatchObject({ code: 'AUTH' })
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
