"""Changes of the order of a series' steps: the steps that people inside have passed.

`directmail_series_entry.passed` has the steps to which a person has come, as {id: true}. While it
is NULL, these are their step and those before it.
"""

import json

from odoo.tools import SQL


def _as_json(step_ids):
    return json.dumps(dict.fromkeys(step_ids, True))


def keep_passed(env, path):
    """Keep which steps people inside have passed, before the order of the steps is changed.

    Of those who were inside at an earlier change, it is known already.

    :param clock.steps.Path path: of the series, in the present order
    """
    numbers = [step.id for step in path.steps]
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e SET passed = new.passed
                 FROM unnest(%s::int[], %s::jsonb[]) AS new (step_id, passed)
                WHERE e.step_id = new.step_id AND e.state = 'inside' AND e.passed IS NULL""",
            numbers,
            [_as_json([*path.get_before(number), number]) for number in numbers],
        )
    )


def add_passed(env, passed):
    """Add steps to those that people have passed, if the order was changed while they were inside.

    :param dict passed: {entry id: ids of the steps that the person passes now}
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e SET passed = e.passed || new.passed
                 FROM unnest(%s::int[], %s::jsonb[]) AS new (id, passed) WHERE e.id = new.id""",
            list(passed),
            [_as_json(ids) for ids in passed.values()],
        )
    )


def pass_added(env, path, step_id):
    """Let people pass a step that was added before theirs; others come to it.

    :param clock.steps.Path path: of the series, with the added step
    """
    before = [step_id, *path.get_before(step_id)]
    behind = [step.id for step in path.steps if step.id not in before]
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry
                  SET passed = CASE WHEN step_id = ANY(%(behind)s) THEN passed || %(step)s::jsonb
                                    ELSE passed - %(key)s END
                WHERE step_id = ANY(%(all)s) AND state = 'inside' AND passed IS NOT NULL""",
            behind=behind,
            step=_as_json([step_id]),
            key=str(step_id),
            all=[step.id for step in path.steps],
        )
    )


def count_passed(env, path, step_ids):
    """Return {step id: how many people inside have passed the step, or are there}.

    :param clock.steps.Path path: of the series
    :param step_ids: of which steps
    """
    rows = env.execute_query(
        SQL(
            """SELECT wanted.id, count(*)
                 FROM unnest(%s::int[], %s::jsonb[]) AS place (step_id, passed)
                 JOIN directmail_series_entry e ON e.step_id = place.step_id
                  AND e.state = 'inside'
                 JOIN unnest(%s::int[]) AS wanted (id)
                   ON wanted.id = e.step_id
                   OR jsonb_exists(COALESCE(e.passed, place.passed), wanted.id::text)
                GROUP BY 1""",
            [step.id for step in path.steps],
            [_as_json(path.get_before(step.id)) for step in path.steps],
            list(step_ids),
        )
    )
    return dict(rows)
