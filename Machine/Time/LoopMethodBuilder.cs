using System.Runtime.CompilerServices;

namespace Dma.Machine;

/// <summary>Builds an async method of software whose state machine is used again, so that calling it over and over takes no memory.</summary>
/// <remarks>
/// It stands at the method: <c>[AsyncMethodBuilder(typeof(LoopMethodBuilder&lt;&gt;))]</c>. Who awaits the method goes on inside the event in which it
/// returns, as one who awaits a task on the loop does. What it returns is awaited once.
/// </remarks>
/// <typeparam name="T">What the method returns.</typeparam>
public struct LoopMethodBuilder<T>
{
    private LoopMethod<T>? _method;
    private Exception? _exception;
    private T _result;

    /// <summary>What the caller awaits.</summary>
    public readonly ValueTask<T> Task => _method is { } method ? new(method, method.Version)
        : _exception is { } exception ? ValueTask.FromException<T>(exception) : new(_result);

    /// <summary>What the caller awaits where it wants no result.</summary>
    internal readonly ValueTask TaskAlone => _method is { } method ? new(method, method.Version)
        : _exception is { } exception ? ValueTask.FromException(exception) : default;

    /// <summary>A builder of a call.</summary>
#pragma warning disable CA1000 // The compiler looks for it here.
    public static LoopMethodBuilder<T> Create() => default;
#pragma warning restore CA1000

    /// <summary>Runs the method up to its first await that waits.</summary>
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>Nothing: the state machine knows its place.</summary>
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine)
    {
    }

    /// <summary>The method returns.</summary>
    public void SetResult(T result)
    {
        if (_method is { } method)
            method.Return(result);
        else
            _result = result;
    }

    /// <summary>The method throws.</summary>
    public void SetException(Exception exception)
    {
        if (_method is { } method)
            method.Throw(exception);
        else
            _exception = exception;
    }

    /// <summary>The method waits.</summary>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(Suspend(ref stateMachine).GoOn);

    /// <inheritdoc cref="AwaitOnCompleted"/>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Suspend(ref stateMachine).GoOn);

    // At its first wait the state machine leaves the stack, and this builder, which is part of it, with it.
    private LoopMethod<T> Suspend<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_method is not null)
            return _method;
        LoopMethod<T, TStateMachine> method = LoopMethod<T, TStateMachine>.Take();
        _method = method;
        method.StateMachine = stateMachine;
        return method;
    }
}

/// <inheritdoc cref="LoopMethodBuilder{T}"/>
public struct LoopMethodBuilder
{
    private LoopMethodBuilder<bool> _builder;

    /// <inheritdoc cref="LoopMethodBuilder{T}.Task"/>
    public readonly ValueTask Task => _builder.TaskAlone;

    /// <inheritdoc cref="LoopMethodBuilder{T}.Create"/>
    public static LoopMethodBuilder Create() => default;

    /// <inheritdoc cref="LoopMethodBuilder{T}.Start"/>
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => _builder.Start(ref stateMachine);

    /// <inheritdoc cref="LoopMethodBuilder{T}.SetStateMachine"/>
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine) => _builder.SetStateMachine(stateMachine);

    /// <inheritdoc cref="LoopMethodBuilder{T}.SetResult"/>
    public void SetResult() => _builder.SetResult(true);

    /// <inheritdoc cref="LoopMethodBuilder{T}.SetException"/>
    public void SetException(Exception exception) => _builder.SetException(exception);

    /// <inheritdoc cref="LoopMethodBuilder{T}.AwaitOnCompleted"/>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitOnCompleted(ref awaiter, ref stateMachine);

    /// <inheritdoc cref="LoopMethodBuilder{T}.AwaitOnCompleted"/>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitUnsafeOnCompleted(ref awaiter, ref stateMachine);
}
