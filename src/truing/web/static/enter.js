// The password of a server that other machines reach.

import { post } from "/static/base.js";

const form = document.getElementById("enter");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = document.getElementById("wrong");
  wrong.textContent = "";
  try {
    await post("/enter", { password: document.getElementById("password").value });
    location.reload();
  } catch (error) {
    wrong.textContent = error.message;
  }
});
