export { newFolder } from '../support/folder.ts'
