# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of the samples: invented people, places and figures, in the words of real faxes."""

LETTER = (
    "Thank you for seeing this sixty-seven-year-old retired bridge engineer, who has been my patient for eleven "
    "years. For about three months he has felt a tightness across the chest when he walks uphill or carries "
    "shopping. It comes after five to ten minutes, goes within three minutes of standing still, and has never come "
    "at rest or at night. Twice in the last fortnight it spread to the left arm, which worried him enough to make an "
    "appointment. He has had no syncope, no palpitations and no swelling of the ankles.",
    "His blood pressure has been treated since 2014 and was 148/86 mmHg in both arms today. He smoked twenty "
    "cigarettes a day until 2009. His father died of a myocardial infarction at the age of sixty-one; an elder "
    "brother had a stent placed last year. There is no diabetes: HbA1c was 39 mmol/mol in January. Renal function is "
    "normal. Total cholesterol was 6.1 mmol/l and LDL 3.9 mmol/l before treatment was begun.",
    "On examination he was comfortable, with a regular pulse of 72 a minute, normal heart sounds and no murmur. The "
    "lungs were clear and the peripheral pulses were all present. The twelve-lead electrocardiogram taken in the "
    "practice shows sinus rhythm with flat T waves in V5 and V6, which were not there in 2021; both tracings follow "
    "this letter. Haemoglobin was 142 g/l, and troponin, taken six hours after the last episode, was below the limit "
    "of detection.",
    "I have started him on aspirin 75 mg and atorvastatin 40 mg, and given him a nitrate spray with advice on its "
    "use. He continues to take amlodipine 5 mg and ramipril 10 mg. He is allergic to penicillin (a rash in "
    "childhood). He knows that he must call an ambulance if the pain comes at rest or lasts for more than ten "
    "minutes, and his wife, who was with him, knows it too.",
    "I should be grateful if you would see him within two weeks for assessment and, if you agree, a CT coronary "
    "angiogram. He can come at short notice on any day but Thursday, and is best reached by telephone in the "
    "morning. Please fax your findings to the number above; we answer questions about his treatment until six in the "
    "evening.",
)

#: Before and after a chart, by what a page of the report is about.
REPORT = {
    "deliveries": (
        "In this quarter 4,812 orders left the warehouse, six per cent more than in the one before. Ninety-four in a "
        "hundred reached the customer on the day that had been promised; the aim is ninety-six. The missing two "
        "points are explained almost wholly by the second week of the quarter, when snow closed the pass for three "
        "days and forty pallets waited at the depot on the other side.",
        "The new night run to the coast has taken some of the load from the morning, when all seven ramps used to be "
        "taken between six and eight. Drivers now wait eleven minutes for a ramp on average, against nineteen a year "
        "ago. Damage in transit fell to three parcels in a thousand. Returns because of a wrong address are still "
        "too frequent, and most of these addresses come from orders that were taken by telephone; reading the "
        "address back to the caller costs twelve seconds and has been the rule since the first of the month. The "
        "next report will say whether it has helped. Two of the older lorries are due for replacement in spring, and "
        "offers have been asked for from three makers.",
    ),
    "complaints": (
        "One hundred and thirty-seven complaints were recorded, twenty fewer than in the quarter before and the "
        "lowest figure since counting began. Half of them were about late deliveries, a quarter about wrong or "
        "missing items, and the rest about invoices. All but nine were answered within two working days. Eight were "
        "settled by a credit note, for 1,240 euros in all.",
        "Seen by month, the first stands out: the snow of its second week alone caused thirty-one letters, nearly "
        "all of them friendly. The wrong items come from two shelves on which boxes of the same colour stand side by "
        "side; the labels have been made larger and one of the shelves has been moved. Complaints about invoices "
        "concern the discount for early payment, which the old form explained in six-point type. The new form says "
        "it in one line above the total. Customers who had complained were asked four weeks later whether they were "
        "content with the answer: of ninety who replied, eighty-one were. Their remarks are kept with the minutes of "
        "the meeting, and the three that were unkind were read out.",
    ),
    "staff": (
        "At the end of the quarter eighty-six people worked here, among them nine apprentices. Four joined, two "
        "retired after more than thirty years each, and one left for another town. Sick leave was 4.1 per cent, "
        "slightly above the average of the last five winters. Overtime fell by a fifth once the night run had begun, "
        "as it was meant to.",
        "Every member of the warehouse team has now been trained on the new lifting gear, and the certificates are "
        "in the files. The first-aid course in March is full; a second one has been arranged for April. The survey "
        "among staff was answered by seven in ten. What they like best is the rota that is published four weeks "
        "ahead; what they like least is the canteen, whose lease ends in summer. Proposals for what should follow it "
        "can be put into the box beside the time clock. The works council and the management have agreed on the "
        "holidays of the year, and the plan hangs on the board on the ground floor.",
    ),
    "costs": (
        "Costs were 1.4 per cent below plan. Fuel cost less than had been expected, while electricity cost more, "
        "since the new cold store was switched on a month early. Repairs were within the budget. The largest single "
        "item was the floor of hall two, which had been put off twice and could not be put off again; it was "
        "finished in nine nights without a day of closure.",
        "Freight bought from others rose by three per cent because of the closed pass and will fall again. Packing "
        "material is the item that deserves attention: we used fourteen per cent more board for six per cent more "
        "orders. A trial with boxes in five sizes instead of three begins next month at two of the packing tables. "
        "Postage has fallen to a third of what it was two years ago, since orders and confirmations go by fax and by "
        "electronic mail; what is left is mostly registered letters. The forecast for the year stays as it was, and "
        "there is no need for a supplementary budget. The detailed tables follow in the annex.",
    ),
}

NOTES = (
    "Claims must reach the office within three months of the end of the journey; later claims cannot be considered.",
    "Attach all tickets and receipts in the original, in the order in which they arose. Copies are accepted for "
    "tickets bought online.",
    "Journeys by private car are reimbursed at 30 cents a kilometre, by the shortest usual road; tolls and parking "
    "are added.",
    "First class is reimbursed only where the second class was fully booked and the railway has confirmed it in "
    "writing.",
    "Taxis are reimbursed where luggage, the hour or a disability made them necessary. State the reason in the box "
    "above.",
    "Travel by air needs approval before booking. Enter the reference of the approval beside the means of transport.",
    "Meals provided by the host reduce the daily allowance: breakfast by 20 per cent, lunch and dinner by 40 per "
    "cent each.",
    "For nights spent with friends or relatives a flat sum of 20 euros is paid; no receipt is needed.",
    "Amounts in foreign currency are converted at the rate of the day of payment. Attach the statement of your bank.",
    "Where a journey was combined with a private stay, the cost of the official part alone is reimbursed.",
    "Advances are set off. An advance that exceeds the claim must be paid back within fourteen days of the decision.",
    "Persons with a disability may claim the cost of a companion. A certificate need be shown only once.",
    "The bank account must be held in the name of the applicant. Cheques are no longer issued.",
    "Whoever makes a false statement knowingly loses the claim as a whole; further steps are reserved.",
    "The data on this form are used for the settlement alone and are deleted after the period required by law.",
    "The decision is sent in writing. An objection may be lodged with the office within one month of its receipt.",
)
