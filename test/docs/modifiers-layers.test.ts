import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { tarChunks } from '../../src/copy/modifiers/layers/tar.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { pushImage, readImage, someTar, type ReadImage } from '../copy/modifiers/layers/image.ts'
import { newFolder } from '../support/folder.ts'

const page = await readFile(new URL('../../docs/modifiers-layers.md', import.meta.url), 'utf8')

/** Each block of TypeScript by the heading above it. */
const examples = page.split(/^## /m).flatMap((section) => {
  const [title = ''] = section.split('\n')
  const blocks = [...section.matchAll(/^```ts\n([^]*?)^```$/gm)]
  return blocks.map(([, code = '']) => ({ title, code }))
})

const [base, certificates, tests, newBase] = [someTar(1), someTar(2), someTar(3), someTar(4)]
const replaced = Buffer.concat([...tarChunks([{ path: 'a', content: Buffer.from('a') }], 0)])

/** What must have become of the image. */
const outcomes: Readonly<Record<string, (image: ReadImage) => void>> = {
  'Compress layers in another way'({ tars, manifest }) {
    expect(tars).toEqual([base, certificates, tests])
    expect(manifest.layers.every(({ mediaType }) => mediaType.endsWith('+zstd'))).toBe(true)
  },
  'Leave layers out': ({ tars }) => expect(tars).toEqual([base, certificates]),
  'Put a layer in the place of another': ({ tars }) => expect(tars).toEqual([base, replaced, tests]),
  'Add a layer'({ tars }) {
    expect(tars.slice(0, 3)).toEqual([base, certificates, tests])
    expect(tars[3]?.includes('Welcome\n')).toBe(true)
  },
  'Build an image on a new base': ({ tars }) => expect(tars).toEqual([newBase, certificates, tests]),
}

it('has an outcome for each example', () => {
  expect(examples.map(({ title }) => title)).toEqual(Object.keys(outcomes))
})

it.each(examples)('The example runs, and does what it says: $title', async ({ title, code }) => {
  await using folder = await newFolder()
  const images = new OciLayout(join(folder.path, 'images'))
  const history = ['FROM base', 'COPY certificates', 'COPY tests'].map((created_by) => ({ created_by }))
  const app = [base, certificates, tests].map((tar) => ({ tar }))
  await images.tag(await pushImage(images, app, { history }), 'app')
  await images.tag(await pushImage(images, [{ tar: base }]), 'base-1.0')
  await images.tag(await pushImage(images, [{ tar: newBase }]), 'base-1.1')
  await writeFile(join(folder.path, 'certificates.tar'), replaced)
  await writeFile(join(folder.path, 'example.mts'), withOwnImports(code))
  await promisify(execFile)(execPath, ['--no-warnings', 'example.mts'], { cwd: folder.path })
  const made = new OciLayout(join(folder.path, 'made'))
  outcomes[title]?.(await readImage(made, await made.resolve('app')))
})

/** The package as it is here, which need not be built for that. */
function withOwnImports(code: string): string {
  const files = { copygraph: 'index.ts', 'copygraph/oci-layout': 'targets/oci-layout/oci-layout.ts' }
  let own = code
  for (const [name, file] of Object.entries(files)) {
    own = own.replaceAll(`from '${name}'`, `from '${new URL(`../../src/${file}`, import.meta.url).href}'`)
  }
  return own
}
