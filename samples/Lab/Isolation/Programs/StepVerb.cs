namespace Dma.Lab;

/// <summary>A kind of step: its form, how often chance chooses it, and what it does.</summary>
/// <param name="Name">The first word of its line.</param>
/// <param name="Weight">How often chance chooses it, beside the others; 0 for never.</param>
/// <param name="Take">Takes the step. It is total: what does not fit does nothing, so that any step may be left out of a program.</param>
/// <param name="Parameters">Its arguments, in order.</param>
internal sealed record StepVerb(string Name, int Weight, Action<IsolationWorld, StepArguments> Take, params Parameter[] Parameters)
{
    /// <summary>Whether the last argument may stand several times.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>The form of its line.</summary>
    public string Form => string.Join(' ', Parameters.Select(parameter => parameter.Word).Prepend(Name)) + (IsRepeated ? " …" : "");

    /// <summary>The parameter that an argument belongs to.</summary>
    public Parameter ParameterOf(int argument) => Parameters[Math.Min(argument, Parameters.Length - 1)];
}
