/** The `Authorization` that the user name and password in a URL stand for (RFC 7617 §2); `undefined` if it has none. */
export function basicAuthorization({ username, password, host }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  let credentials;
  try {
    credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch (cause) {
    throw new SyntaxError(
      `Cannot connect to ${host}: the user name or password in its URL is malformed`,
      { cause },
    );
  }
  return "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(credentials)));
}
