/** The error reply of Redis in the message of an EdgecaskError: without the command before it, and the number of attempts after it. @internal */
export function said(message: string): string {
  return message
    .replace(/^(?:[^]*?: )?(?:server error|transaction discarded|unauthorized): /, "")
    .replace(/ \(\d+ attempts in [^()]*\)$/, "");
}
