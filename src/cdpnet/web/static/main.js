/** Build the page's parts and connect them. */

import { Actions } from "./actions.js";
import { showBar, showTools } from "./bar.js";
import { Changes } from "./changes.js";
import { showClasses, showExamples } from "./classes.js";
import { dismissDialogs } from "./dialogs.js";
import { find } from "./dom.js";
import { offerDownloads } from "./download.js";
import { Drafts } from "./drafts.js";
import { Editor } from "./editor.js";
import { showFilmstrip } from "./filmstrip.js";
import { follow } from "./follow.js";
import { listenToKeys } from "./keys.js";
import { showResults } from "./results.js";
import { Review } from "./review.js";
import { Saving } from "./saving.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { showTabs } from "./tabs.js";
import { Tools } from "./tools.js";
import { acceptFiles } from "./upload.js";
import { Workspace } from "./workspace.js";

const store = new Store();
const changes = new Changes(store);
const stage = new Stage(find("#stage"));
const workspace = new Workspace(store, stage, new Drafts(), changes);
const editor = new Editor(store, workspace, changes);
const saving = new Saving(store, workspace, changes, editor);
const review = new Review(store, workspace, changes, editor, saving);
const tools = new Tools(stage, editor);
const actions = new Actions(store, stage, editor, saving, review, tools, changes);

showTools(tools);
showTabs();
showResults(store, changes);
showClasses(store, changes);
showExamples(store, changes);
showFilmstrip(store, workspace);
showBar(store, workspace, editor, saving);
acceptFiles(store, changes);
offerDownloads(store);
dismissDialogs();
listenToKeys(actions, tools, store);
follow(store, changes);
