/**
 * `npm run preview [-- file]`: writes every message in every language into one HTML file, by default
 * `.local/preview.html`. The texts are those of this moment: run it again after a change.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadConfig } from '../config.ts'
import { renderPreviewPage } from './simulators/pages/preview-page.ts'

const file = resolve(process.argv[2] ?? join(import.meta.dirname, '..', '.local', 'preview.html'))
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, renderPreviewPage(loadConfig(['messages']).messages).html)
console.log(`Every message in every language: ${pathToFileURL(file).href}`)
