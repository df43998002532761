// What README.md shows, as the compiler sees it.
import { io } from "socket.io-client";
import { rows } from "./src/index.js";

const socket = io("http://127.0.0.1:8080", { transports: ["websocket"] });
const following = rows<{ accountid: number; openid: string }>(socket, "account:7", {
  since: localStorage.getItem("since") ?? "0",
  onRow: ({ id, row }) => console.log(id, row?.openid),
  onLive: ({ replayed }) => console.log(`live, after ${replayed} rows that were missed`),
  onError: (error) => console.error(error.code, error.message),
});
addEventListener("pagehide", () => following.since && localStorage.setItem("since", following.since));
