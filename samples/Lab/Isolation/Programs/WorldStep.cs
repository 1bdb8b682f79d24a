namespace Dma.Lab;

/// <summary>One step of a world program.</summary>
/// <param name="Verb">What is done.</param>
/// <param name="Arguments">With what.</param>
internal sealed record WorldStep(StepVerb Verb, IReadOnlyList<Argument> Arguments)
{
    /// <summary>The step as a line.</summary>
    public string Format(ProgramNames names) =>
        string.Join(' ', Arguments.Select((argument, index) => Verb.ParameterOf(index).Format(argument, names)).Prepend(Verb.Name));

    /// <summary>Takes the step.</summary>
    public void Take(IsolationWorld world) => Verb.Take(world, new(world, Arguments));
}
