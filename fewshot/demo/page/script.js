"use strict";
const byId = (id) => document.getElementById(id);
const SIDE = 480; // pixels of a camera frame's longer side, as it is sent
const SNAPSHOTS = 5;
const video = byId("video");
const picture = byId("picture");
const overlay = byId("overlay");
const canvas = document.createElement("canvas");

let source = null; // null, "camera" or "picture"
let pictureBlob = null;
let paused = false;
let background = null; // the name of the frame without an item, which the server keeps
let snapshots = []; // blobs of the article that is being added
let looping = false;
let articles = ""; // those that the model knows now
let answered = []; // times of the last answers, for the pace

/* ---- asking the server -------------------------------------------------------------------- */

class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ServerError("The server does not answer: is it still running in its terminal?", 0);
  }
  const answer = await response.json().catch(() => ({ error: `answer ${response.status}` }));
  if (!response.ok) throw new ServerError(answer.error, response.status);
  return answer;
}

function tell(text) {
  const message = byId("message");
  message.textContent = text ? text[0].toUpperCase() + text.slice(1) : "";
  message.hidden = !text;
}

/* ---- what is looked at -------------------------------------------------------------------- */

async function startCamera() {
  tell("");
  if (!navigator.mediaDevices) {
    tell("A browser gives its camera to 127.0.0.1 and to https only: drop a picture instead.");
    return;
  }
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "environment" };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
    video.srcObject.getTracks()[0].addEventListener("ended", () => tell("The camera is gone."));
    await video.play();
  } catch (error) {
    tell(`The camera cannot be used (${error.name}): allow it in the browser, or drop a picture.`);
    return;
  }
  useSource("camera");
}

async function usePicture(blob) {
  if (!blob) return;
  tell("");
  pictureBlob = blob;
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  const readable = await picture.decode().then(() => true, () => false);
  useSource("picture");
  picture.hidden = !readable; // the server says what is wrong with it
}

function useSource(name) {
  if (name === "picture" && video.srcObject) {
    for (const track of video.srcObject.getTracks()) track.stop();
    video.srcObject = null;
  }
  if (name !== source) forgetBackground(name);
  source = name;
  paused = false;
  byId("welcome").hidden = true;
  video.hidden = name !== "camera";
  picture.hidden = name !== "picture";
  byId("camera").hidden = name === "camera";
  byId("pause").hidden = name !== "camera";
  byId("another").hidden = false;
  byId("pace").hidden = name !== "camera";
  byId("background").disabled = false;
  byId("snapshot").disabled = false;
  byId("paused").hidden = true;
  loop();
}

function size() {
  return source === "camera" ? [video.videoWidth, video.videoHeight]
    : [picture.naturalWidth, picture.naturalHeight];
}

/* The camera's picture now, or the chosen one, small enough to be sent often. */
function frame() {
  const [width, height] = size();
  if (!width) return source === "picture" ? pictureBlob : null;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const shown = source === "camera" ? video : picture;
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // what a transparent picture lies on
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(shown, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

/* ---- looking ------------------------------------------------------------------------------ */

const nextFrame = () => new Promise((done) => setTimeout(done, 15));
const rest = (ms) => new Promise((done) => setTimeout(done, ms));

async function loop() {
  if (looping) return;
  looping = true;
  let looked = null; // a picture is looked at once for each background and set of articles
  while (source) {
    const again = `${source} ${background} ${picture.src} ${articles}`;
    const still = source === "picture" && looked === again;
    if (paused || still || document.hidden) {
      await rest(60);
      continue;
    }
    try {
      // a picture is sent as it is: the server says what is wrong with one that is no picture
      const sent = source === "picture" ? pictureBlob : await frame();
      if (sent) show(await ask(`/look${asParameter(background)}`, { method: "POST", body: sent }));
      if (sent) tell("");
    } catch (error) {
      tell(error.message);
      if (error.status === 410) setBackground(null);
      if (source === "picture") showNothing();
      else await rest(1500);
    }
    looked = again;
    await nextFrame();
  }
  looping = false;
}

const asParameter = (name) => (name ? `?background=${encodeURIComponent(name)}` : "");

function show(answer) {
  const crop = byId("crop");
  crop.src = answer.crop;
  crop.hidden = answer.top.length === 0;
  crop.classList.toggle("coarse", crop.naturalWidth <= 96);
  byId("certainty").textContent = certainty(answer);
  const name = answer.unknown ? "unknown" : answer.top[0]?.name;
  byId("name").textContent = name ?? "Nothing in view";
  byId("name").classList.toggle("unknown", answer.unknown);
  showBars(answer.top);
  drawOutlines(answer.outlines);
  const now = performance.now();
  answered = [...answered.filter((time) => now - time < 2000), now];
}

function showNothing() {
  byId("crop").hidden = true;
  byId("certainty").textContent = "";
  byId("name").textContent = "No picture";
  byId("name").classList.remove("unknown");
  showBars([]);
  drawOutlines([]);
}

function certainty(answer) {
  if (!answer.top.length) return "Hold something before the background";
  if (answer.unknown) return "Not sure enough of any class";
  return answer.top[0].score < 0.5 ? "Not sure, perhaps" : "This is";
}

function showBars(top) {
  const rows = byId("bars").children;
  for (let place = 0; place < rows.length; place += 1) {
    const entry = top[place];
    const [name, share] = rows[place].children;
    name.textContent = entry ? entry.name : "\u00a0";
    share.textContent = entry ? `${(100 * entry.score).toFixed(1)} %` : "";
    rows[place].style.setProperty("--share", entry ? entry.score : 0);
  }
}

function drawOutlines(outlines) {
  const pixels = window.devicePixelRatio || 1;
  const [width, height] = [overlay.clientWidth, overlay.clientHeight];
  overlay.width = width * pixels;
  overlay.height = height * pixels;
  const shown = size();
  const scale = Math.min(width / shown[0], height / shown[1]);
  const [left, top] = [(width - shown[0] * scale) / 2, (height - shown[1] * scale) / 2];
  const context = overlay.getContext("2d");
  context.scale(pixels, pixels);
  context.lineWidth = 2.5;
  context.lineJoin = "round";
  context.strokeStyle = "#6cf0e2";
  context.shadowColor = "rgba(0, 0, 0, .7)";
  context.shadowBlur = 4;
  for (const outline of outlines) {
    context.beginPath();
    for (const [x, y] of outline) {
      context.lineTo(left + x * shown[0] * scale, top + y * shown[1] * scale);
    }
    context.closePath();
    context.stroke();
  }
}

setInterval(() => {
  const now = performance.now();
  const recent = answered.filter((time) => now - time < 2000);
  const span = recent.length > 1 ? (recent.at(-1) - recent[0]) / 1000 : 0;
  byId("fps").textContent = span ? ((recent.length - 1) / span).toFixed(1) : "0";
}, 500);

/* ---- the background ----------------------------------------------------------------------- */

async function takeBackground() {
  if (!source) return;
  try {
    const sent = await frame();
    const answer = await ask("/background", { method: "POST", body: sent });
    setBackground(answer.background);
  } catch (error) {
    tell(error.message);
  }
}

function setBackground(name) {
  background = name;
  byId("no-background").hidden = !name;
  byId("background").firstChild.textContent = name ? "Retake background " : "Take background ";
}

function forgetBackground() {
  setBackground(null);
}

function togglePause() {
  if (source !== "camera") return;
  paused = !paused;
  byId("pause").firstChild.textContent = paused ? "Go on " : "Pause ";
  byId("paused").hidden = !paused;
  if (paused) video.pause();
  else video.play();
}

/* ---- articles ----------------------------------------------------------------------------- */

async function takeSnapshot() {
  if (!source) return;
  const name = byId("article-name").value.trim();
  if (!name) {
    tell("Type the article's name first.");
    byId("article-name").focus();
    return;
  }
  byId("added").textContent = "";
  const blob = await frame();
  if (!blob || snapshots.length >= SNAPSHOTS) return;
  snapshots.push(blob);
  showSnapshots();
  if (snapshots.length === SNAPSHOTS) await addArticle(name);
}

async function addArticle(name) {
  byId("snapshot").disabled = true;
  try {
    const sent = { name, background, snapshots: await Promise.all(snapshots.map(asBase64)) };
    const answer = await ask("/articles", { method: "POST", body: JSON.stringify(sent) });
    byId("article-name").value = "";
    byId("added").textContent = `${answer.added} is known now.`;
    tell("");
    showState(answer);
  } catch (error) {
    tell(error.message);
  }
  snapshots = [];
  showSnapshots();
  byId("snapshot").disabled = false;
}

async function asBase64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

function showSnapshots() {
  const places = byId("snapshots").children;
  for (let place = 0; place < SNAPSHOTS; place += 1) {
    const item = places[place];
    const old = item.querySelector("img");
    if (old) URL.revokeObjectURL(old.src);
    item.textContent = place + 1;
    item.classList.toggle("taken", place < snapshots.length);
    if (place < snapshots.length) {
      const image = new Image();
      image.alt = `Snapshot ${place + 1}`;
      image.src = URL.createObjectURL(snapshots[place]);
      item.replaceChildren(image);
    }
  }
}

async function removeArticle(name) {
  try {
    showState(await ask(`/articles?name=${encodeURIComponent(name)}`, { method: "DELETE" }));
    byId("added").textContent = "";
  } catch (error) {
    tell(error.message);
  }
}

function showState(state) {
  articles = JSON.stringify(state.articles);
  byId("count").textContent = state.classes.length;
  byId("classes").textContent = state.classes.join(" · ");
  byId("download").hidden = !state.articles.length;
  byId("articles").replaceChildren(...state.articles.map((name) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.textContent = "×";
    button.setAttribute("aria-label", `Remove ${name}`);
    button.addEventListener("click", () => removeArticle(name));
    item.append(name, button);
    return item;
  }));
}

/* ---- hands on the page -------------------------------------------------------------------- */

for (let place = 0; place < SNAPSHOTS; place += 1) {
  const row = document.createElement("li");
  row.append(document.createElement("span"), document.createElement("span"));
  row.lastChild.className = "share";
  byId("bars").append(row);
  byId("snapshots").append(document.createElement("li"));
}
showBars([]);
showSnapshots();

byId("start").addEventListener("click", startCamera);
byId("camera").addEventListener("click", startCamera);
byId("pause").addEventListener("click", togglePause);
byId("background").addEventListener("click", takeBackground);
byId("no-background").addEventListener("click", () => setBackground(null));
for (const id of ["choose", "another"]) {
  byId(id).addEventListener("click", () => byId("file").click());
}
byId("file").addEventListener("change", (event) => {
  usePicture(event.target.files[0]);
  event.target.value = "";
});
byId("article").addEventListener("submit", (event) => {
  event.preventDefault();
  takeSnapshot();
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = { r: takeBackground, s: takeSnapshot, " ": togglePause }[event.key.toLowerCase()];
  if (!does || event.repeat) return;
  if (event.key === " " && event.target.matches("button, summary")) return;
  event.preventDefault();
  does();
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("stage").classList.add("over");
});
document.addEventListener("dragleave", () => byId("stage").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("stage").classList.remove("over");
  usePicture(event.dataTransfer.files[0]);
});

ask("/state").then(showState).catch((error) => tell(error.message));
