/**
 * What the server tells about a project, as `GET api/state` gives it.
 *
 * @typedef {object} ImageClass
 * @property {number} share of the image's pixels, 0..1
 * @property {number} presence 0..1
 *
 * @typedef {object} ProjectImage
 * @property {string} id
 * @property {string} name
 * @property {number} width in pixels of the file
 * @property {number} height
 * @property {"new" | "found" | "absent" | "corrected" | "accepted" | "rejected" | "failed"} state
 * @property {boolean} edited whether a person drew in it; it is "found" then while others of its classes are to be reviewed
 * @property {string} reason a sentence, if it failed
 * @property {number} revision grows with each change of this image
 * @property {Record<string, ImageClass>} classes by the id of the class
 * @property {number} uncertainty 0..1
 * @property {boolean} example whether an example is of this image
 *
 * @typedef {object} ProjectClass
 * @property {string} id
 * @property {string} name
 * @property {string} colour "#rrggbb"
 * @property {number} number its value in the masks, from 1
 * @property {number} examples that show it and are switched on
 * @property {number} found images in which it is found
 * @property {string} reason why it could not be learned, or ""
 *
 * @typedef {object} Example
 * @property {string} id
 * @property {string} image id of the image
 * @property {string} class id of the class
 * @property {boolean} enabled
 * @property {boolean} absent whether the class is not there
 * @property {number | null} disagreement with the other examples, 0..1
 *
 * @typedef {object} Limits
 * @property {number} megabytes of a file
 * @property {number} megapixels of an image
 * @property {number} images
 * @property {number} name characters of a class name
 * @property {string[]} endings of image files
 *
 * @typedef {object} Progress
 * @property {number} accepted
 * @property {number} corrected
 * @property {number} rejected
 * @property {number} left
 * @property {string} advice a sentence, or ""
 *
 * @typedef {object} State
 * @property {string} version
 * @property {string} model a sentence about the network
 * @property {string | null} project name of the project's folder, null where nothing is kept
 * @property {number} revision grows with each change
 * @property {Limits} limits
 * @property {{name: string, title: string}[]} formats of labels
 * @property {{threshold: number, own_threshold: number, presence: boolean}} settings
 * @property {ProjectClass[]} classes
 * @property {ProjectImage[]} images
 * @property {Example[]} examples
 * @property {{running: boolean, done: number, total: number, what: string} | null} job
 * @property {string[]} order ids of images still to be reviewed, the most uncertain first
 * @property {Progress} progress
 * @property {{class: string, changed: number, of: number, mean_change: number} | null} gain
 * @property {string} undo what the server would take back, or ""
 * @property {string} redo what the server would do again, or ""
 * @property {{undo: string, redo: string}} nothing what to say where there is nothing to undo or redo
 * @property {{name: string, reason: string}[]} [refused] files of an upload that were not added
 * @property {number} [made] the revision that a change gave its image
 * @property {Record<string, string>} [renamed] new names of pictures that undo or redo brought back, by the earlier ones
 *
 * In coordinates of an image's view, from its top left corner; rows and columns may lie between pixels.
 *
 * @typedef {[row: number, column: number, positive: boolean]} Click
 * @typedef {[top: number, left: number, bottom: number, right: number]} Box
 */

export {};
