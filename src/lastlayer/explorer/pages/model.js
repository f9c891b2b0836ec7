// Your model: rows of data, one of them in full, the effect of beta and the rule, the classes. One address holds it all.

import { connectClasses, CLASSES_DEFAULTS } from "./classes.js";
import { connectEffect, EFFECT_DEFAULTS } from "./effect.js";
import { openView, toQuery } from "./explorer.js";
import * as rows from "./rows.js";

const view = openView({
  endpoint: "rows",
  defaults: { ...rows.defaults, ...EFFECT_DEFAULTS, ...CLASSES_DEFAULTS },
  asked: rows.asked,
  show,
});
const showEffect = connectEffect(view);
const showClasses = connectClasses(view, (filter) => `/model?${toQuery(filter)}`);

rows.begin(view);

async function show(answer, state) {
  await Promise.all([rows.show(answer, state), showEffect(state), showClasses(state)]);
}
