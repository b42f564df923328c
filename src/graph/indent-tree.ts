/** A line of a tree, and what stands below it. */
export interface TreeLine<T> {
  /** Printable. */
  readonly text: string
  readonly children: readonly T[]
}

/**
 * An indented tree. `visit` is called for each node in the order of the lines. Below 50 levels the indentation ends, and
 * the number of the level is written instead: a chain of n nodes would take n² characters. Takes no call stack.
 */
export function indentTree<T>(root: T, visit: (node: T) => TreeLine<T>): string {
  const lines: string[] = []
  const open: Place<T>[] = [{ node: root, prefix: '', branch: '', level: 0 }]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { text, children } = visit(place.node)
    const { prefix, branch, level } = place
    lines.push(`${prefix}${branch}${level > maxIndentedLevels ? `(level ${level}) ` : ''}${text}`)
    const below = level < maxIndentedLevels ? prefix + trunks[branch] : prefix
    for (const [at, node] of [...children.entries()].reverse()) {
      const isLast = at === children.length - 1
      open.push({ node, prefix: below, branch: isLast ? '└── ' : '├── ', level: level + 1 })
    }
  }
  return lines.join('\n')
}

interface Place<T> {
  readonly node: T
  /** What stands before the branch: the trunks of the levels above. */
  readonly prefix: string
  readonly branch: '' | '├── ' | '└── '
  readonly level: number
}

/** What goes on below a branch. */
const trunks: Readonly<Record<Place<unknown>['branch'], string>> = { '': '', '├── ': '│   ', '└── ': '    ' }

const maxIndentedLevels = 50
