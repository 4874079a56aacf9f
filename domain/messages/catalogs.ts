/**
 * The languages that members are written to in, one file each (D5). To add a language: add its file, named by its
 * BCP 47 tag, and its line here.
 */
export { default as en } from './en.json' with { type: 'json' }
export { default as ja } from './ja.json' with { type: 'json' }
export { default as ko } from './ko.json' with { type: 'json' }
export { default as 'zh-Hans' } from './zh-Hans.json' with { type: 'json' }
export { default as 'zh-Hant' } from './zh-Hant.json' with { type: 'json' }
