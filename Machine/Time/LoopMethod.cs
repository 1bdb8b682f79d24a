using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Dma.Machine;

/// <summary>A call of an async method that waits, for the one who awaits it.</summary>
/// <remarks>A call is over with its result: whoever asks once more is told so, since the object may stand for another call by then.</remarks>
internal abstract class LoopMethod<T> : IValueTaskSource<T>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<T> _core;

    /// <summary>Made when it is used for the first time.</summary>
    protected LoopMethod() => GoOn = MoveNext;

    /// <summary>Lets the method go on after a wait.</summary>
    public Action GoOn { get; }

    /// <summary>Which call it stands for.</summary>
    public short Version => _core.Version;

    /// <summary>The method returned; the one who awaits it goes on inside of this.</summary>
    public void Return(T result) => _core.SetResult(result);

    /// <summary>The method threw.</summary>
    public void Throw(Exception exception) => _core.SetException(exception);

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    /// <inheritdoc/>
    /// <remarks>Who goes on is on the loop already: it is not posted there once more.</remarks>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);

    /// <inheritdoc/>
    void IValueTaskSource.GetResult(short token) => _ = GetResult(token);

    /// <inheritdoc/>
    public T GetResult(short token)
    {
        if (GetStatus(token) == ValueTaskSourceStatus.Pending)
            throw new InvalidOperationException("The method has not returned: only an await can wait for it.");
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Forget();
        }
    }

    /// <summary>The method goes on.</summary>
    protected abstract void MoveNext();

    /// <summary>It stands for no call any more, and is there for the next one.</summary>
    protected abstract void Forget();
}

/// <summary>A call of one async method.</summary>
/// <typeparam name="T">What it returns.</typeparam>
/// <typeparam name="TStateMachine">The method, as the compiler makes it.</typeparam>
internal sealed class LoopMethod<T, TStateMachine> : LoopMethod<T>
    where TStateMachine : IAsyncStateMachine
{
    private readonly Stack<LoopMethod<T, TStateMachine>>? _spare;
    private TStateMachine _stateMachine = default!;

    private LoopMethod(Stack<LoopMethod<T, TStateMachine>>? spare) => _spare = spare;

    /// <summary>Where the method is; it moves on in this place, not in a copy.</summary>
    public ref TStateMachine StateMachine => ref _stateMachine;

    /// <summary>One that stands for no call; software that is on no loop gets a new one each time.</summary>
    public static LoopMethod<T, TStateMachine> Take()
    {
        Stack<LoopMethod<T, TStateMachine>>? spare = EventLoop.Current?.SpareOf<LoopMethod<T, TStateMachine>>();
        return spare is not null && spare.TryPop(out LoopMethod<T, TStateMachine>? method) ? method : new(spare);
    }

    /// <inheritdoc/>
    protected override void MoveNext() => _stateMachine.MoveNext();

    /// <inheritdoc/>
    protected override void Forget()
    {
        _stateMachine = default!;
        _spare?.Push(this);
    }
}
