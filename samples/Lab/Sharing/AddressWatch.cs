using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what address replacement does: who has address 0, and a few tokens of each VM.</summary>
internal sealed class AddressWatch(IReadOnlyList<string> names, IBusShareObserver? next) : IBusShareObserver
{
    private const int TokensMax = 3;

    private readonly List<string>[] _tokens = [.. names.Select(_ => new List<string>())];
    private readonly List<AddressZeroTurn> _turns = [];
    private (int Owner, ulong SinceNs) _zero = (-1, 0);

    /// <summary>Who had address 0, one after the other.</summary>
    public IReadOnlyList<AddressZeroTurn> Turns => _turns;

    /// <summary>The first tokens of each VM that are not for address 0.</summary>
    public IReadOnlyList<string> Tokens => [.. _tokens.SelectMany(tokens => tokens)];

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use)
    {
        next?.TokenHandled(use);
        List<string> tokens = _tokens[use.Set];
        if (use.Asked.Address == 0 || tokens.Count == TokensMax)
            return;
        string text = $"{names[use.Set]}: {SharingTimeline.Describe(use)}";
        if (!tokens.Contains(text))
            tokens.Add(text);
    }

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs)
    {
        next?.AddressZeroMoved(owner, nowNs);
        if (_zero.Owner >= 0)
            _turns.Add(new(names[_zero.Owner], _zero.SinceNs, nowNs));
        _zero = (owner, nowNs);
    }

    /// <inheritdoc/>
    public void BusUsed(in BusUse use) => next?.BusUsed(use);

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => next?.AddressChanged(change);
}
