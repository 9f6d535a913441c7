// The way in of an invitation.

import { post } from "/static/base.js";

document.getElementById("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = document.getElementById("wrong");
  wrong.textContent = "";
  try {
    const name = document.getElementById("name"); // who comes back is not asked
    await post(location.pathname, name ? { name: name.value } : {});
    location.assign("/");
  } catch (error) {
    wrong.textContent = [error.message, error.hint].filter(Boolean).join(". ");
  }
});
