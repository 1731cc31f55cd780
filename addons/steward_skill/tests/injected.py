# ruff: noqa: E501 - a table is read by its lines
"""Failures whose cause is known, because it was put there.

Each is ``(category, evidence, steps, message of the run)``. The messages are those that
Odoo, PostgreSQL, Python, HTTP libraries and services of models write; the stories are
those of agents that think and of agents that follow a playbook.
"""

from ..kernel.trace import Step, Trace

FOUND = {"records": [{"id": 7, "display_name": "Azure Interior"}]}
NOTHING = {"records": []}


def tool(span, name, error="", message="", given=None, result=None, kind="tool_call"):
    given = {"model": "res.partner"} if given is None and kind == "tool_call" else given
    return Step(span, kind, name, not (error or message), given, result, error, message)


def model(span, result=None, error="", message=""):
    return tool(span, "Answer", error, message, None, result, "llm_inference")


def find(span="1", result=FOUND):
    return tool(span, "find_records", result=result)


def _single(category, *failures):
    """A step that worked, and then one that failed of itself."""
    for error, message in failures:
        yield (
            category,
            ("2",),
            (find(), tool("2", "post_message", error, message)),
            message,
        )


def _answers(category, *failures):
    """A model's answer that failed."""
    for error, message in failures:
        yield category, ("2",), (find(), model("2", None, error, message)), message


def _stories():
    yield from _answers(
        "prompt",
        ("STEWARD-BAD-ANSWER", "The answer is no valid JSON: Expecting ',' delimiter."),
        ("OutputParserException", "Could not parse LLM output: `I think that`"),
        (
            "openai.BadRequestError",
            "The response was filtered due to the content management policy (content_filter)",
        ),
        ("ModelBehaviorError", "Model produced invalid JSON when calling tool"),
        ("ValidationError", "1 validation error for Invoice: total field required"),
        ("LLMRefusal", "I'm sorry, I can't help with that (refusal)"),
        ("json.JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
        ("ValueError", "structured output does not match the schema"),
    )
    for name, error, message in (
        (
            "send_invoice_now",
            "STEWARD-REFUSED",
            "send_invoice_now is not on this agent's list of tools.",
        ),
        (
            "create_record",
            "STEWARD-INVALID",
            "values.country_id: should be a whole number",
        ),
        ("create_record", "STEWARD-INVALID", "model is missing"),
        ("write_records", "STEWARD-INVALID", "record_ids: should be a list"),
        (
            "find_records",
            "STEWARD-INVALID",
            "There is no model 'res.customer'; did you mean 'res.users'?",
        ),
        ("search", "ToolNotFound", "Unknown tool: search"),
        (
            "post_message",
            "TypeError",
            "post_message() got an unexpected keyword argument 'text'",
        ),
        ("find_records", "STEWARD-INVALID", "domain: invalid domain, expected a list"),
    ):
        thought = model("2", f'{{"tool_calls": [{{"name": "{name}"}}]}}')
        yield (
            "prompt",
            ("2", "3"),
            (find(), thought, tool("3", name, error, message)),
            message,
        )
    for count in (3, 4, 6):
        steps = [
            tool(str(n), "find_records", given={"model": "sale.order"}, result=NOTHING)
            for n in range(count)
        ]
        yield (
            "prompt",
            tuple(str(n) for n in range(count)),
            tuple(steps),
            f"More than {count} steps.",
        )
    steps = [
        tool(str(n), "search_web", given={"q": "price"}, result="…") for n in range(5)
    ]
    end = model(
        "9", None, "STEWARD-BUDGET-EXHAUSTED", "The budget of this agent is used up."
    )
    yield "prompt", tuple(str(n) for n in range(5)), (*steps, end), end.message

    yield from _single(
        "tool",
        ("UserError", "You cannot delete a confirmed order."),
        ("ValidationError", "The due date lies before the invoice date."),
        ("STEWARD-INVALID", "Warehouse has no discussion."),
        ("UserError", "Please set a salesperson before you confirm."),
        (
            "STEWARD-EXHAUSTED",
            "The tool aggregate_records was cut off after 30 seconds. Ask for less.",
        ),
        ("odoo.exceptions.UserError", "The budget line is locked by the accountant."),
        (
            "STEWARD-INVALID",
            "A message has at least one and at most 100000 characters.",
        ),
        ("ValidationError", "The IBAN BE71 0961 is not valid."),
        ("UserError", "This journal entry is posted: set it to draft first."),
        (
            "psycopg2.errors.UniqueViolation",
            'duplicate key value violates unique constraint "res_partner_ref_uniq"',
        ),
        ("UserError", "You need to add a line before posting."),
        ("ValidationError", "A lead cannot be won with a probability of 0 %."),
        ("STEWARD-INVALID", "limit: at most 1000 records at once"),
        ("requests.HTTPError", "404 Client Error: Not Found for url"),
        (
            "psycopg2.errors.NotNullViolation",
            'null value in column "name" violates not-null constraint',
        ),
        ("ToolError", "unknown field 'fax' on res.partner"),
    )

    yield from _answers(
        "context",
        (
            "openai.BadRequestError",
            "This model's maximum context length is 8192 tokens, however you requested 9011.",
        ),
        (
            "anthropic.BadRequestError",
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
    )
    for error, message in (
        ("openai.BadRequestError", "maximum context length exceeded"),
        ("BadRequest", "too many tokens in the request"),
        ("groq.APIError", "Request too large: context window of 8192 exceeded"),
    ):
        steps = (
            find(),
            tool("2", "read_document", result="word " * 4000),
            model("3", None, error, message),
        )
        yield "context", ("2", "3"), steps, message
    for error, message, given in (
        (
            "STEWARD-INVALID",
            "record_id: should be a whole number",
            {"model": "res.partner", "record_id": None},
        ),
        (
            "IndexError",
            "list index out of range",
            {"model": "res.partner", "record_id": 0},
        ),
        ("KeyError", "'id' is missing", {"model": "res.partner", "record_id": ""}),
        (
            "ValueError",
            "no record to write to",
            {"model": "res.partner", "record_ids": []},
        ),
        (
            "AttributeError",
            "'NoneType' object has no attribute 'name'",
            {"model": "res.partner", "record_id": None},
        ),
        ("TypeError", "'NoneType' object is not subscriptable", {"record": None}),
        ("UserError", "The partner was not found.", {"name": ""}),
        ("UserError", "The message is empty.", {"body": ""}),
    ):
        yield (
            "context",
            ("1", "2"),
            (find(result=NOTHING), tool("2", "post_message", error, message, given)),
            message,
        )
    for ident in (7, 12):
        steps = (
            find(result={"records": [{"id": ident}]}),
            tool(
                "2",
                "write_records",
                "MissingError",
                "Record does not exist or has been deleted.",
                {"record_ids": [ident]},
            ),
        )
        yield "context", ("2", "1"), steps, "Record does not exist or has been deleted."
    yield (
        "context",
        ("1",),
        (find(result=NOTHING),),
        "'found.records[0]': list index out of range",
    )

    yield from _single(
        "external",
        ("STEWARD-TIMED-OUT", "The service did not answer in time."),
        ("STEWARD-UNREACHABLE", "The service cannot be reached."),
        ("STEWARD-REMOTE-ERROR", "The service answered 503."),
        (
            "requests.exceptions.ConnectionError",
            "HTTPSConnectionPool(host='api.example.com'): Max retries exceeded",
        ),
        ("TimeoutError", "shop.example.com did not answer within 10 s"),
        ("openai.RateLimitError", "Rate limit reached for requests"),
        ("requests.exceptions.SSLError", "certificate verify failed"),
        ("socket.gaierror", "Temporary failure in name resolution"),
        ("HTTPError", "502 Bad Gateway"),
        (
            "smtplib.SMTPServerDisconnected",
            "Connection unexpectedly closed: connection reset by peer",
        ),
    )
    yield from _answers(
        "external",
        (
            "openai.InternalServerError",
            "The server had an error while processing your request (500)",
        ),
        ("anthropic.APIStatusError", "overloaded_error: Overloaded"),
        ("STEWARD-CIRCUIT-OPEN", "The service failed too often lately."),
    )
    for times in (2, 3, 4):
        tries = [
            tool(str(n), "call_webhook", "STEWARD-TIMED-OUT", "No answer in 30 s.")
            for n in range(times)
        ]
        last = str(times - 1)
        yield (
            "external",
            (last, *(str(n) for n in range(times - 1))),
            tuple(tries),
            "No answer in 30 s.",
        )

    yield from _answers(
        "budget",
        (
            "STEWARD-BUDGET-EXHAUSTED",
            "The budget of this agent is used up until 1 December.",
        ),
        (
            "openai.RateLimitError",
            "You exceeded your current quota: insufficient_quota",
        ),
        (
            "anthropic.BadRequestError",
            "Your credit balance is too low to access the API.",
        ),
        ("openrouter.Error", "402 Payment Required"),
        (
            "STEWARD-BUDGET-TOO-LITTLE",
            "The budget has too little left for this answer.",
        ),
        ("APIError", "billing hard limit: quota exceeded"),
        ("PermissionDenied", "Payment required: add credits to go on"),
        (
            "STEWARD-BUDGET-PAUSED",
            "Runs of this agent are paused: its budget is exhausted.",
        ),
        ("MistralError", "Your monthly budget has been exceeded."),
        ("CohereError", "insufficient quota for this model"),
        ("VertexError", "Quota exceeded for aiplatform requests, billing required"),
        ("STEWARD-BUDGET-EXHAUSTED", "Nothing is left of the company's budget."),
    )
    yield from _single(
        "budget",
        ("STEWARD-BUDGET-EXHAUSTED", "No money is left for call_webhook."),
        ("DeepLError", "Quota exceeded: the character limit of this billing period"),
        ("TwilioError", "Account balance: payment required"),
        ("ApiError", "Your credit balance is used up."),
    )

    yield from _single(
        "rights",
        ("AccessError", "You are not allowed to modify 'Journal Entry' records."),
        ("STEWARD-REFUSED", "write_records writes, which this agent may not do."),
        ("STEWARD-ADDRESS-REFUSED", "10.0.0.7 is a private address."),
        ("odoo.exceptions.AccessDenied", "Access Denied"),
        ("PermissionError", "[Errno 13] Permission denied: '/srv/files/a.csv'"),
        ("requests.HTTPError", "401 Client Error: Unauthorized for url"),
        ("HTTPError", "403 Forbidden"),
        ("STEWARD-SECRET-UNAVAILABLE", "The secret cannot be read."),
        (
            "google.api_core.exceptions.PermissionDenied",
            "The caller does not have permission",
        ),
        (
            "psycopg2.errors.InsufficientPrivilege",
            "permission denied for table res_users (not allowed)",
        ),
        ("UserError", "You are not allowed to see this employee."),
        ("GraphQL", "Forbidden: token lacks the scope"),
        ("STEWARD-REFUSED", "Marc refused. Not this customer."),
        (
            "AccessError",
            "Due to security restrictions, you may not create 'Invoice' records.",
        ),
        ("RpcError", "access denied by record rules"),
        ("AuthenticationError", "invalid api key provided"),
    )

    yield from _single(
        "bug",
        ("AttributeError", "'res.partner' object has no attribute 'fax'"),
        (
            "STEWARD-BUG",
            "Something went wrong inside Steward. Tell your administrator the number 1a2b3c4d.",
        ),
        ("ZeroDivisionError", "division by zero"),
        ("NameError", "name 'partner' is not defined"),
        ("RecursionError", "maximum recursion depth exceeded"),
        ("AssertionError", ""),
        ("UnboundLocalError", "cannot access local variable 'x'"),
        ("ImportError", "cannot import name 'foo'"),
        ("TypeError", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("NotImplementedError", "subclasses do this"),
        ("IndexError", "tuple index 4 too large"),
        ("KeyError", "'partner_id'"),
        ("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xff"),
        ("ModuleNotFoundError", "No module named 'xlrd'"),
        ("SyntaxError", "invalid syntax"),
        (
            "psycopg2.errors.UndefinedColumn",
            "column res_partner.fax of the query is wrong",
        ),
    )

    # passed over, and then missed
    for error, message, category in (
        ("STEWARD-TIMED-OUT", "The service did not answer in time.", "external"),
        ("AccessError", "You may not read 'Payslip' records.", "rights"),
        ("STEWARD-BUDGET-EXHAUSTED", "The budget is used up.", "budget"),
        ("UserError", "The rate of this currency is locked.", "tool"),
    ):
        steps = (
            tool("1", "get_rate", error, message),
            tool(
                "2",
                "create_record",
                "STEWARD-INVALID",
                "values.rate: is missing",
                {"values": {"rate": None}},
            ),
        )
        yield category, ("1", "2"), steps, "values.rate: is missing"
    # the first failure ended it; what follows was taking back
    steps = (
        find(),
        tool(
            "2", "call_webhook", "STEWARD-UNREACHABLE", "The service cannot be reached."
        ),
        tool(
            "3", "delete_record", "AccessError", "You may not delete 'Contact' records."
        ),
    )
    yield (
        "external",
        ("2",),
        steps,
        "The service cannot be reached. (and then, while taking back: …)",
    )


def injected():
    """``(trace, category, evidence)`` of each."""
    for number, (category, evidence, steps, message) in enumerate(_stories()):
        yield (
            Trace(f"t{number}", "A task", tuple(steps), False, message=message),
            category,
            evidence,
        )
