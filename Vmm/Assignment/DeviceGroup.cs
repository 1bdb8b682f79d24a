using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The functions of the host that cannot be kept apart: they go to one VM together, and come back together.</summary>
/// <remarks>Bridges among them stay with the host: nothing but configuration is done with them, and that no guest reaches.</remarks>
public sealed class DeviceGroup
{
    private readonly IsolationGroup? _isolation;
    private readonly Gate _journeys = new();

    internal DeviceGroup(IsolationGroup? isolation, IReadOnlyList<Assignment> functions) => (_isolation, Functions) = (isolation, functions);

    /// <summary>Its functions without the bridges, lowest source-id first.</summary>
    public IReadOnlyList<Assignment> Functions { get; }

    /// <summary>Whether a function, or a bridge, is in it.</summary>
    public bool Contains(SourceId function) => _isolation?.Functions.Contains(function) ?? Functions.Any(own => own.Source == function);

    /// <summary>Why two of its functions cannot be kept apart; nothing where they are one, or groups are not looked at.</summary>
    public IReadOnlyList<GroupLink> Explain(SourceId from, SourceId to) => _isolation?.Explain(from, to) ?? [];

    /// <summary>Whether all of it could be given to a VM: the first refusal, if there is one. It changes nothing.</summary>
    public AssignmentResult Check() =>
        Functions.Select(function => function.Check()).FirstOrDefault(result => !result.IsDone, AssignmentResult.Done);

    /// <summary>Gives all its functions to a VM, or none.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="guestAddresses">Where in the guest's PCI hierarchy, one for each function in their order: bus 0, function 0.</param>
    /// <returns>Done, or the step that was refused; everything is as before then.</returns>
    public async ValueTask<AssignmentResult> Assign(VirtualMachine machine, IReadOnlyList<SourceId> guestAddresses)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(guestAddresses.Count, Functions.Count);
        await _journeys.Enter();
        try
        {
            List<Assignment> taken = [];
            AssignmentResult result = await Each(async (function, _) =>
            {
                AssignmentResult detached = await function.Detach();
                if (detached.IsDone)
                    taken.Add(function);
                return detached;
            });
            if (result.IsDone)
                result = await Each((function, _) => function.Reset());
            if (result.IsDone)
                result = await Each((function, _) => function.Isolate(machine));
            if (result.IsDone)
                result = await Each((function, number) => function.Expose(guestAddresses[number]));
            if (!result.IsDone)
                _ = await GiveBack([.. taken.Where(function => function.State != AssignmentState.Quarantined)]);
            return result;
        }
        finally
        {
            _journeys.Leave();
        }
    }

    /// <summary>Takes all its functions back, from wherever they are on their ways, and gives them to the drivers of the host.</summary>
    /// <remarks>Whatever a step that broke off in the middle left behind goes, too.</remarks>
    /// <returns>The first step that was refused; the others were taken all the same.</returns>
    public async ValueTask<AssignmentResult> TakeBack()
    {
        await _journeys.Enter();
        try
        {
            return await GiveBack(Functions);
        }
        finally
        {
            _journeys.Leave();
        }
    }

    /// <summary>Its functions, for people.</summary>
    public override string ToString() => string.Join(", ", Functions.Select(function => function.Source));

    private static async ValueTask<AssignmentResult> GiveBack(IReadOnlyList<Assignment> functions)
    {
        // The host gets the first one when no guest has any more.
        AssignmentResult result = AssignmentResult.Done;
        foreach (Assignment function in functions)
            await function.Hide();
        foreach (Assignment function in functions)
            result = FirstOf(result, await function.StepBack());
        foreach (Assignment function in functions)
        {
            if (function.State is AssignmentState.Clean or AssignmentState.Detached)
                result = FirstOf(result, await function.Return());
        }

        return result;
    }

    private static AssignmentResult FirstOf(AssignmentResult first, AssignmentResult second) => first.IsDone ? second : first;

    private async ValueTask<AssignmentResult> Each(Func<Assignment, int, ValueTask<AssignmentResult>> step)
    {
        for (int number = 0; number < Functions.Count; number++)
        {
            AssignmentResult result = await step(Functions[number], number);
            if (!result.IsDone)
                return result;
        }

        return AssignmentResult.Done;
    }
}
