"""`lastlayer evaluate`: a model, or what any model has written, judged on labelled rows; gates for CI."""

import click

import lastlayer as ll
from lastlayer.cli.arguments import (
    CommandWithExamples,
    calibration_option,
    column_option,
    format_option,
    fraction,
    json_option,
    open_fraction,
    ray_options,
    weight_option,
    where_option,
)
from lastlayer.cli.calibrated_model import calibrated_model
from lastlayer.cli.decided_answers import DecidedAnswers, print_evaluation
from lastlayer.cli.exit_codes import GATE_FAILED
from lastlayer.cli.given_scores import evaluate_scores
from lastlayer.cli.judged_labels import judged_labels, judged_lists
from lastlayer.cli.labelled_table import labelled_table
from lastlayer.cli.on_ray import on_ray, refuse_beside_ray
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.report_request import (
    ReportRequest,
    accumulator_for,
    confidence_before,
    describer,
    is_calibrated,
    label_accumulator_for,
    provenance,
)
from lastlayer.cli.saved_model import load_model
from lastlayer.cli.unknown_label import unknown_value
from lastlayer.decision import Thresholds
from lastlayer.decision.head_rules import has_many_labels, is_default
from lastlayer.metrics import ClassIndex, DetailedAccumulator, DetailedLabelAccumulator
from lastlayer.report import label_report_page, report_page, write_report
from lastlayer.tables import nothing_weighs, weight_array
from lastlayer.tables.model_rows import batches


@click.command(
    "evaluate",
    cls=CommandWithExamples,
    examples=[
        "lastlayer evaluate kind.safetensors test.parquet",
        "lastlayer evaluate kind.safetensors test.csv --weight count --max-ece 0.05",
        "lastlayer evaluate kind.safetensors test.parquet --json | jq .log_loss",
        "lastlayer evaluate kind.safetensors test.parquet --intervals 0.95",
        "lastlayer evaluate kind.safetensors test.parquet --report report.html \\",
        "  --keep text",
        "lastlayer evaluate kind.safetensors test.parquet --calibration cal.json",
        "lastlayer evaluate kind.safetensors test.parquet --unknown-label other",
        "lastlayer evaluate out.csv --probabilities 'p_*' --label kind",
        "lastlayer evaluate out.parquet --logits scores --label kind \\",
        "  --classes cat,dog,cow",
        "lastlayer evaluate --probabilities p.npy --labels y.npy",
    ],
)
@click.argument("files", nargs=-1, metavar="[MODEL] [DATA...]", type=click.Path())
@where_option
@format_option
@column_option("--label", help="The label column.  [default: the one of the fit]")
@weight_option
@calibration_option
@column_option("--probabilities", metavar="COLUMNS", help="Judge these probabilities, in place of a model's.")
@column_option("--logits", metavar="COLUMNS", help="Judge the softmax of these logits, in place of a model's.")
@click.option(
    "--labels",
    metavar="FILE",
    type=click.Path(),
    help="The labels, .npy, where the scores are a .npy file.",
)
@click.option(
    "--classes",
    metavar="NAMES",
    help="What the entries of --probabilities or --logits are called, with commas between; or a text file of one name "
    "a line.  [default: 0, 1, ...]",
)
@click.option("--classwise", is_flag=True, help="Work out the calibration error of every class too.")
@click.option(
    "--unknown-label",
    metavar="NAME",
    help="The label of rows that belong to no class: how far is their confidence below that of the others?",
)
@click.option(
    "--intervals",
    type=float,
    metavar="SHARE",
    callback=open_fraction,
    help="Bootstrap intervals of accuracy, log-loss and the like, that hold them with this confidence, such as 0.95.",
)
@click.option(
    "--report",
    "report_path",
    metavar="FILE",
    type=click.Path(),
    help="Write charts and tables to this HTML file, with intervals of 0.95 unless --intervals says otherwise.",
)
@column_option(
    "--keep", multiple=True, help="Show this column beside the mistakes of --report; repeat it, or put commas between."
)
@click.option("--max-ece", type=float, callback=fraction, help="Fail above this expected calibration error.")
@click.option("--min-accuracy", type=float, callback=fraction, help="Fail below this accuracy.")
@ray_options
@json_option
def command(
    files: tuple[str, ...],
    where: str | None,
    format_: str | None,
    label: str | None,
    weight: str | None,
    calibration: str | None,
    probabilities: str | None,
    logits: str | None,
    labels: str | None,
    classes: str | None,
    classwise: bool,
    unknown_label: str | None,
    intervals: float | None,
    report_path: str | None,
    keep: tuple[str, ...],
    max_ece: float | None,
    min_accuracy: float | None,
    ray: str | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Judge a model on labelled rows: accuracy, log-loss, calibration.

    Every label must be a class of the model, or that of --unknown-label; leave other rows out with --where. A gate that
    fails, --max-ece or --min-accuracy, ends with exit code 1 after the evaluation is printed. Of a model of many labels
    a row the label column holds lists, and the accuracy is the share of rows all of whose labels are right.

    The figures are of the most probable class. Of a model with a decision rule those of the rule's answers follow: how
    many it gives, how good they are, and what they cost. Labels of many are predicted by the rule's thresholds.

    With --probabilities or --logits there is no MODEL: what any model has written is judged, all arguments are DATA,
    and COLUMNS is a column of lists or columns of numbers. What * stands for is the name of the class.

    With --ray workers judge a MODEL, on one machine or many; of one label a row it has no decision rule.

    Without DATA they are .npy files themselves, and so are --labels and --weight.
    """
    if probabilities is not None and logits is not None:
        raise click.UsageError("--logits: stands beside --probabilities, expected one of the two")
    scores = logits if probabilities is None else probabilities
    if keep and report_path is None:
        raise click.UsageError("--keep: expected --report FILE beside it, which shows the column; leave it out")
    refuse_beside_ray(
        ray,
        workers,
        probabilities=probabilities,
        logits=logits,
        calibration=calibration,
        unknown_label=unknown_label,
        report=report_path,
    )
    decided = None
    report = None if report_path is None else ReportRequest(report_path, keep)
    if report is not None:
        report.require_writable([*files, *(file for file in (labels,) if file is not None)])
    figures = {"classwise": classwise, "intervals": intervals, "unknown_label": unknown_label}
    if scores is None:
        for option, value in (("--labels", labels), ("--classes", classes)):
            if value is not None:
                raise click.UsageError(f"{option}: expected --probabilities or --logits beside it; leave it out")
        if len(files) < 2:
            raise click.UsageError(
                "DATA: no file given, expected MODEL and DATA, or --probabilities or --logits in place of MODEL"
            )
        if ray is not None:
            page = None
            evaluation = _evaluate_on_ray(files, where, format_, label, weight, classwise, intervals, ray, workers)
        else:
            evaluation, page, decided = _evaluate_model(
                files[0], files[1:], where, format_, label, weight, calibration, figures, report
            )
    else:
        if calibration is not None:
            raise click.UsageError(
                f"--calibration {calibration}: expected a MODEL beside it; lastlayer calibrate --apply takes scores"
            )
        if files and labels is not None:
            raise click.UsageError(f"--labels {labels}: stands beside DATA, expected --label COLUMN; leave one out")
        if not files and format_ is not None:
            raise click.UsageError(f"--format {format_}: expected DATA beside it; .npy files say what they are")
        if not files and label is not None:
            raise click.UsageError(f"--label {label}: names a column, expected DATA that has it, or --labels FILE")
        evaluation, page = evaluate_scores(
            files,
            scores,
            are_logits=probabilities is None,
            labels=labels,
            where=where,
            format_=format_,
            label=label,
            weight=weight,
            classes=classes,
            report=report,
            **figures,
        )
    if page is not None and report_path is not None:
        write_report(report_path, page)
        click.echo(f"report written to {report_path}", err=True)
    print_evaluation(evaluation, decided, as_json=as_json)
    failures = []
    if max_ece is not None and not evaluation.ece <= max_ece:
        failures.append(f"expected calibration error {evaluation.ece:.4f} is above --max-ece {max_ece:g}")
    accuracy = evaluation.exact_match if isinstance(evaluation, ll.LabelEvaluation) else evaluation.accuracy
    if min_accuracy is not None and not accuracy >= min_accuracy:
        failures.append(f"accuracy {accuracy:.4f} is below --min-accuracy {min_accuracy:g}")
    if failures:
        click.echo(f"gate failed: {' and '.join(failures)}.", err=True)
        click.get_current_context().exit(GATE_FAILED)


def _evaluate_on_ray(files, where, format_, label, weight, classwise, intervals, ray, workers):
    """The evaluation, by workers."""
    model, *data = files
    head = load_model(model)
    many = has_many_labels(head)
    if many and classwise:
        raise click.UsageError(f"--classwise: {model} is of many labels a row, which have none; leave it out")
    if not many and not is_default(head.decision_, many_labels=False):
        raise click.UsageError(f"--ray: {model} has a decision rule, whose answers one process judges; leave it out")
    options = {"weight": weight, "where": where, "format": format_, "intervals": intervals}
    options |= {"num_workers": workers, "address": ray}
    with on_ray() as lastlayer_ray:
        if many:
            return lastlayer_ray.evaluate_labels(head, data, labels=label, **options)
        return lastlayer_ray.evaluate(head, data, label=label, classwise=classwise, **options)


def _evaluate_model(model, data, where, format_, label, weight, calibration, figures, report):
    """The evaluation, the page that `report` asks for, and the answers of the model's rule if it has one."""
    head = load_model(model)
    judge = head if calibration is None else calibrated_model(head, model, calibration)
    if has_many_labels(head):
        for option in ("classwise", "unknown_label"):
            if figures[option]:
                option = option.replace("_", "-")
                raise click.UsageError(f"--{option}: {model} is of many labels a row, which have none; leave it out")
        intervals = figures["intervals"]
        return _evaluate_labels(model, head, data, where, format_, label, weight, intervals, report)
    table, label, columns = labelled_table(head, data, where, format_, label, weight)
    index, unknown_label = ClassIndex(head.classes_), figures["unknown_label"]
    figures = figures | {"unknown_label": unknown_value(unknown_label, index.classes)}
    kept = [] if report is None else report.kept(table)
    accumulator = accumulator_for(report, head.classes_, **figures)
    decided = None
    if not is_default(head.decision_, many_labels=False):
        decided = DecidedAnswers(head.decision_, head.classes_, figures["unknown_label"])
    others = [label, *([] if weight is None else [weight]), *kept]
    for frame, X, place in batches(head, table, columns, others, columns_of_output=len(head.classes_)):
        weights = None if weight is None else weight_array(frame[weight], place)
        never_saw = "which the model never saw"
        labels = judged_labels(
            table, frame[label], index, place, weights, unknown=never_saw, unknown_label=unknown_label
        )
        with about_the_input():
            probabilities = judge.predict_proba(X)
            if isinstance(accumulator, DetailedAccumulator):
                before = None if calibration is not None else confidence_before(head, X)
                accumulator.add(probabilities, labels, weights, before=before, describe=describer(frame, kept))
            else:
                accumulator.add(probabilities, labels, weights)
            if decided is not None:
                decided.add(probabilities, labels, weights)
    if not accumulator.rows and unknown_label is None:
        raise nothing_weighs(table.name, weight)
    with about_the_input():
        result = accumulator.result()
    if not isinstance(result, tuple):
        return result, None, decided
    pairs = {
        "Calibration": calibration,
        "Label": label,
        "Label of no class": unknown_label,
        "Weight": weight,
        "Rows where": where,
    }
    return result[0], report_page(*result, provenance(model, head, table, pairs, decided)), decided


def _evaluate_labels(model, head, data, where, format_, label, weight, intervals, report):
    """The same of a model of many labels a row."""
    from lastlayer.estimators import answers_of

    table, label, columns = labelled_table(head, data, where, format_, label, weight)
    kept = [] if report is None else report.kept(table)
    threshold = head.decision_.threshold if isinstance(head.decision_, Thresholds) else 0.5
    accumulator = label_accumulator_for(report, head.classes_, intervals, threshold)
    others = [label, *([] if weight is None else [weight]), *kept]
    for frame, X, place in batches(head, table, columns, others, columns_of_output=len(head.classes_)):
        weights = None if weight is None else weight_array(frame[weight], place)
        lists = judged_lists(frame[label], head.classes_, place, weights)
        with about_the_input():
            answers = answers_of(lists, head.classes_, len(lists), one_of_two=False)
            scores = head.decision_function(X)
            logits = scores * head.beta_ + head.bias_
            if isinstance(accumulator, DetailedLabelAccumulator):
                before = scores if is_calibrated(head) else None
                accumulator.add_logits(logits, answers, weights, before=before, describe=describer(frame, kept))
            else:
                accumulator.add_logits(logits, answers, weights)
    if not accumulator.rows:
        raise nothing_weighs(table.name, weight)
    result = accumulator.result()
    if not isinstance(result, tuple):
        return result, None, None
    pairs = {"Labels": label, "Weight": weight, "Rows where": where}
    return result[0], label_report_page(*result, provenance(model, head, table, pairs)), None
