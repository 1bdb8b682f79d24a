namespace Dma.Vmm;

/// <summary>The VMs that a merger serves, in the order in which they came, and by their numbers.</summary>
/// <typeparam name="T">What a VM is for the merger.</typeparam>
/// <param name="numbers">How many numbers there are, from 0 on.</param>
internal sealed class MergedGuests<T>(int numbers)
    where T : MergedGuest
{
    /// <summary>Those that are there; the list stays the same one.</summary>
    public List<T> All { get; } = [];

    /// <summary>Each at its number; null where there is none.</summary>
    public T?[] ByNumber { get; } = new T?[numbers];

    /// <summary>One comes, where it could be made.</summary>
    /// <param name="made">The guest, or why there is none; nothing changes then.</param>
    /// <returns>The same.</returns>
    public (MergedGuest?, AssignmentResult) Add((T? Guest, AssignmentResult Result) made)
    {
        if (made.Guest is { } guest)
        {
            ByNumber[guest.Number] = guest;
            All.Add(guest);
        }

        return made;
    }

    /// <summary>One goes.</summary>
    public void Remove(MergedGuest guest)
    {
        ByNumber[guest.Number] = null;
        _ = All.RemoveAll(own => own == guest);
    }
}
