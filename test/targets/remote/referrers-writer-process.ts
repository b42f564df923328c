import { once } from 'node:events'
import { stdin, stdout } from 'node:process'
import { contentOf } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { graph } from '../../support/graph.ts'

// A process of its own: says that it is ready, waits for a word, and attaches referrers `NAME-0`, `NAME-1`, … to the
// image, `together` or one after the other.
const [host = '', name = '', count = '', mode] = process.argv.slice(2)
const nodes = graph({
  image: ['config'],
  ...Object.fromEntries(
    Array.from({ length: Number(count) }, (_, at) => [
      `${name}-${at}`,
      { children: ['config'], subject: 'image', artifactType: `test/${name}-${at}` },
    ]),
  ),
})
await using repository = new Repository(`${host}/a`)
const attach = async (referrer: string): Promise<void> => {
  await repository.push(nodes.descriptor(referrer), contentOf(nodes.node(referrer).bytes))
}
const referrers = nodes.names.filter((node) => node.startsWith(`${name}-`))
stdout.write('ready\n')
await once(stdin, 'data')
stdin.destroy()
if (mode === 'together') await Promise.all(referrers.map(attach))
else for (const referrer of referrers) await attach(referrer)
